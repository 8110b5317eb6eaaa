/**
 * The derivation of a key from a passphrase in OpenSSH's key files (bcrypt_pbkdf). Meant to be slow, so it runs in a
 * worker thread, as the text of its functions (unlock.ts): nothing in one of them may refer to anything outside it, not
 * even to another one, so what they need of each other is handed in.
 */

export interface Derivation {
  readonly passphrase: Uint8Array;
  readonly salt: Uint8Array;
  readonly rounds: number;
  /** In bytes. */
  readonly length: number;
}

/** Makes the digest of bcrypt out of two hashes of 64 bytes: of the passphrase and of the salt. */
export type BcryptHash = (pass: Uint8Array, salted: Uint8Array) => Uint8Array;

/** Blowfish begins with the digits of pi: 18 + 1024 words after the point, by Machin's formula in fixed point. */
export function blowfishStart(): Int32Array {
  const words = 18 + 4 * 256;
  const guard = 64n;
  const bits = BigInt(words * 32);
  const one = 1n << (bits + guard);
  const arctanOfInverse = (n: bigint): bigint => {
    let sum = 0n;
    let sign = 1n;
    let power = one / n;
    for (let k = 1n; power !== 0n; k += 2n) {
      sum += (sign * power) / k;
      sign = -sign;
      power /= n * n;
    }
    return sum;
  };
  const fraction = (4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n)) - 3n * one) >> guard;
  const digits = fraction.toString(16).padStart(words * 8, '0');
  return Int32Array.from({ length: words }, (_, i) => Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16));
}

/** `initial`: the state that Blowfish begins with. What it gives keeps a state of its own, which each call begins anew. */
export function bcryptHash(initial: Int32Array): BcryptHash {
  const ROUNDS = 16;
  const P_WORDS = ROUNDS + 2;
  const HASH_BYTES = 32;
  const COST_LOOPS = 64;

  const state = new Int32Array(initial.length);
  const S = P_WORDS;
  let left = 0;
  let right = 0;
  const at = (i: number): number => state[i] as number;
  const encipher = (): void => {
    let l = left ^ at(0);
    let r = right;
    for (let i = 1; i <= ROUNDS; i += 2) {
      r ^=
        (((at(S + (l >>> 24)) + at(S + 256 + ((l >>> 16) & 255))) ^ at(S + 512 + ((l >>> 8) & 255))) +
          at(S + 768 + (l & 255))) ^
        at(i);
      l ^=
        (((at(S + (r >>> 24)) + at(S + 256 + ((r >>> 16) & 255))) ^ at(S + 512 + ((r >>> 8) & 255))) +
          at(S + 768 + (r & 255))) ^
        at(i + 1);
    }
    left = r ^ at(ROUNDS + 1);
    right = l;
  };
  const wordsOf = (bytes: Uint8Array): Int32Array => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Int32Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getInt32(i * 4));
  };
  /** Mixes a key of 16 words into the state, and with it `data`, if there is any. */
  const expand = (key: Int32Array, data: Int32Array | null): void => {
    for (let i = 0; i < P_WORDS; i += 1) state[i] = at(i) ^ (key[i % key.length] as number);
    left = 0;
    right = 0;
    let next = 0;
    for (let i = 0; i < state.length; i += 2) {
      if (data !== null) {
        left ^= data[next % data.length] as number;
        right ^= data[(next + 1) % data.length] as number;
        next += 2;
      }
      encipher();
      state[i] = left;
      state[i + 1] = right;
    }
  };
  const magic = wordsOf(Uint8Array.from('OxychromaticBlowfishSwatDynamite', (c) => c.charCodeAt(0)));
  return (passBytes, saltedBytes) => {
    const pass = wordsOf(passBytes);
    const salted = wordsOf(saltedBytes);
    state.set(initial);
    expand(pass, salted);
    for (let i = 0; i < COST_LOOPS; i += 1) {
      expand(salted, null);
      expand(pass, null);
    }
    const out = new Uint8Array(HASH_BYTES);
    const view = new DataView(out.buffer);
    for (let i = 0; i < magic.length; i += 2) {
      left = magic[i] as number;
      right = magic[i + 1] as number;
      for (let k = 0; k < COST_LOOPS; k += 1) encipher();
      view.setInt32(i * 4, left, true);
      view.setInt32(i * 4 + 4, right, true);
    }
    return out;
  };
}

/** Pure. `sha512` is the runtime's, handed in because the text of a worker cannot import. */
export function derive(
  { passphrase, salt, rounds, length }: Derivation,
  sha512: (data: Uint8Array) => Uint8Array,
  hash: BcryptHash,
): Uint8Array {
  const HASH_BYTES = 32;
  const pass = sha512(passphrase);
  const blocks = Math.ceil(length / HASH_BYTES);
  const key = new Uint8Array(length);
  for (let block = 1; block <= blocks; block += 1) {
    const numbered = new Uint8Array(salt.length + 4);
    numbered.set(salt);
    new DataView(numbered.buffer).setUint32(salt.length, block);
    let last = hash(pass, sha512(numbered));
    const sum = Uint8Array.from(last);
    for (let round = 1; round < rounds; round += 1) {
      last = hash(pass, sha512(last));
      for (let i = 0; i < HASH_BYTES; i += 1) sum[i] = (sum[i] as number) ^ (last[i] as number);
    }
    // Spread over the whole key, so that no part of it is had for less than all blocks.
    for (let i = 0; i < HASH_BYTES; i += 1) {
      const place = i * blocks + block - 1;
      if (place < length) key[place] = sum[i] as number;
    }
  }
  return key;
}
