/** From the text of a .sh file to a script that can be sent, and what every script on a host begins with. */
import { EMPTY_LINES } from '../ssh/shell.ts';
import headerFile from './scripts/header.sh?raw';

/** Letters, digits and `._-`: what versions, architectures, hashes and nonces are made of. */
export function shellValue(value: string): string {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(value)) throw new Error(`not a plain value: ${JSON.stringify(value)}`);
  return value;
}

const HOLES = /# @([a-z]+)@\n|@([a-z]+)@/g;

/**
 * The script in a .sh file. What stands above its first empty line is for those who read the file, and is not sent.
 * `@name@` becomes a value, which is plain or refused; a line `# @name@` becomes a block of lines, which is put in as it
 * is. A hole that nobody fills, and a value that nobody asked for, are mistakes of ours.
 */
export function fillScript(
  file: string,
  values: Readonly<Record<string, string>>,
  blocks: Readonly<Record<string, string>> = {},
): string {
  const unused = new Set([...Object.keys(values), ...Object.keys(blocks)]);
  const script = file
    .slice(file.indexOf('\n\n') + 2)
    .replaceAll(HOLES, (_hole, block: string | undefined, name: string) => {
      const filling = block === undefined ? values[name] : blocks[block];
      if (filling === undefined) throw new Error(`the script has no ${block ?? name}`);
      unused.delete(block ?? name);
      return block === undefined ? shellValue(filling) : filling;
    });
  if (unused.size > 0) throw new Error(`the script asks for no ${[...unused].join(', ')}`);
  return script;
}

/** Where marked lines go in header.sh: it is written for attach.sh, whose stdout is not its own. */
const TO_DESCRIPTOR_3 = '>&3';

/** `saysTo`: where marked lines go. */
export function header(nonce: string, saysTo: 'stdout' | 'descriptor 3' = 'stdout'): string {
  const text = `${EMPTY_LINES}${fillScript(headerFile, { nonce })}`;
  return saysTo === 'stdout' ? text.replace(TO_DESCRIPTOR_3, '') : text;
}
