/**
 * The shell scripts that run on a host, always as `/bin/sh -s` with the script on stdin, so that the login shell (fish,
 * csh, a restricted one) never parses anything of ours. Their texts are scripts/*.sh, each of which says at its top what
 * it does. Values reach a script only through `fillScript`, which admits a safe alphabet and nothing else. Each line
 * meant for us starts with the marker and a nonce; banners are skipped.
 */
import { EMPTY_LINES, SHELL_FREE_CODE } from '../ssh/shell.ts';
import type { AgentFile } from './artifacts.ts';
import { fillScript, header, shellValue } from './script-header.ts';
import attachFile from './scripts/attach.sh?raw';
import currentFile from './scripts/current.sh?raw';
import deployFile from './scripts/deploy.sh?raw';
import linkFile from './scripts/link.sh?raw';
import previewFile from './scripts/nvidia-preview.sh?raw';
import removeFile from './scripts/remove.sh?raw';
import turnFile from './scripts/turn.sh?raw';
import uploadFile from './scripts/upload.sh?raw';
import versionsFile from './scripts/versions.sh?raw';

/** One that begins with the header, as all do but the one that attaches. */
const withHeader = (file: string, nonce: string, values: Readonly<Record<string, string>> = {}): string =>
  fillScript(file, values, { header: header(nonce) });

export const attachScript = (nonce: string): string =>
  `${EMPTY_LINES}${fillScript(
    attachFile,
    { nonce, free: String(SHELL_FREE_CODE) },
    { header: header(nonce, 'descriptor 3') },
  )}`;

export const previewScript = (nonce: string): string => withHeader(previewFile, nonce);

/** base64 of what is sent stands between two lines of ours, and must not be able to end there. */
function uploadPart(file: AgentFile): string {
  if (!/^[A-Za-z0-9+/=\n]*$/.test(file.base64)) throw new Error(`${file.name} is not base64`);
  return `\n${fillScript(uploadFile, { name: file.name }, { content: `${file.base64}\n` })}`;
}

export function deployScript(
  nonce: string,
  version: string,
  arch: string,
  files: readonly AgentFile[],
): string {
  const kib = Math.ceil(files.reduce((sum, file) => sum + file.bytes, 0) / 1024) + 64;
  return fillScript(
    deployFile,
    { version, arch, kib: String(kib) },
    {
      header: header(nonce),
      uploads: files.map(uploadPart).join(''),
      checks: files.map((file) => `check '${shellValue(file.name)}' '${shellValue(file.sha256)}'\n`).join(''),
    },
  );
}

export const removeScript = (nonce: string): string => withHeader(removeFile, nonce);

export const currentScript = (nonce: string): string => withHeader(currentFile, nonce);

export const versionsScript = (nonce: string, folder: string): string =>
  withHeader(versionsFile, nonce, { folder });

export const turnScript = (nonce: string, folder: string): string => withHeader(turnFile, nonce, { folder });

export const linkScript = (nonce: string): string => withHeader(linkFile, nonce);

/** Our lines in a script's output: the words after marker and nonce. */
export function markedLines(output: string, nonce: string): readonly string[] {
  const marker = `@tranche ${nonce} `;
  return output
    .split('\n')
    .filter((line) => line.startsWith(marker))
    .map((line) => line.slice(marker.length).trimEnd());
}
