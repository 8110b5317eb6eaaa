/** Bytes, GiB and percent: parsing what people type, printing what they read. Bytes everywhere else. */

export const KIB = 1024;
export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KIB,
  kib: KIB,
  m: MIB,
  mib: MIB,
  g: GIB,
  gib: GIB,
  t: GIB * 1024,
  tib: GIB * 1024,
};

/**
 * Reads a memory size: `20g`, `20 GiB`, `20480m`, `1.5g`, plain bytes. A bare number below 1024 in a field that
 * speaks GiB can be given `defaultUnit: 'g'`. Decimal units (`20GB`) are refused, because nobody agrees on them.
 */
export function parseBytes(text: string, defaultUnit: '' | 'm' | 'g' = ''): Parsed<number> {
  const match = /^\s*(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)\s*$/i.exec(text);
  const shown = text.trim().slice(0, 40);
  if (!match) {
    return {
      ok: false,
      message:
        shown === ''
          ? 'Type a size, such as 20 GiB.'
          : `“${shown}” is not a size. Type one such as 20g or 20480m.`,
    };
  }
  const unit = (match[2] === '' ? defaultUnit : (match[2] ?? '')).toLowerCase();
  const factor = UNIT_BYTES[unit];
  if (factor === undefined) {
    return { ok: false, message: `“${match[2]}” is not a unit here. Use MiB or GiB (20g, 20480m).` };
  }
  const value = Math.round(Number(match[1]) * factor);
  if (!Number.isSafeInteger(value)) return { ok: false, message: `“${shown}” is too large.` };
  return { ok: true, value };
}

/** Reads a share: `25`, `25 %`, `25%`; whole numbers 0…100. */
export function parsePercent(text: string): Parsed<number> {
  const match = /^\s*(\d{1,3})\s*%?\s*$/.exec(text);
  const value = Number(match?.[1]);
  if (!match || value > 100) {
    return {
      ok: false,
      message: `“${text.trim().slice(0, 40)}” is not a share. Type a whole number from 0 to 100.`,
    };
  }
  return { ok: true, value };
}

/** `24.0`: GiB with one decimal, the unit beside it. Unknown is "—". */
export function gib(bytes: number | null): string {
  if (bytes === null) return '—';
  return (bytes / GIB).toFixed(1);
}

/** `24.0 GiB`. */
export function gibWithUnit(bytes: number | null): string {
  return bytes === null ? '—' : `${gib(bytes)} GiB`;
}

/** `24576 MiB`, exact when the value is whole MiB, for tooltips. */
export function mibExact(bytes: number | null): string {
  if (bytes === null) return '—';
  const mib = bytes / MIB;
  return `${Number.isInteger(mib) ? String(mib) : mib.toFixed(2)} MiB`;
}

/** `25 %` from tenths of a percent; unknown is "—". */
export function percentFromTenths(tenths: number | null): string {
  return tenths === null ? '—' : `${String(Math.round(tenths / 10))} %`;
}

/** `48 min`, `3 h 20 min`, `1 d 06 h`; seconds only below one minute. */
export function duration(ms: number | null): string {
  if (ms === null) return '—';
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${String(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${String(hours)} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${String(Math.floor(hours / 24))} d ${String(hours % 24).padStart(2, '0')} h`;
}
