/** What terminals say and are told, as text. Pure. */
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/errors.ts';

export type TerminalState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** The link is away; the shell goes on. */
  | { readonly kind: 'lost' }
  /** Both null: nobody knows how. */
  | { readonly kind: 'ended'; readonly exitCode: number | null; readonly signal: number | null }
  | { readonly kind: 'failed'; readonly failure: Failure };

const TITLE_MAX_CHARS = 120;
/** A request takes 4096 bytes. */
const INPUT_MAX_BYTES = 3072;

/** Control characters, and those that turn the direction of writing or are not seen. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** What a program calls its window, as one line of plain text. */
export const cleanTitle = (title: string): string =>
  Array.from(title.replace(UNSAFE, '').trim()).slice(0, TITLE_MAX_CHARS).join('');

/** What is pasted is text: without the characters that would end a bracketed paste, or be a key. */
export const cleanPaste = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- these are what is taken out
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '');

/** More than one line: a shell that does not know of pasting runs each as it comes. */
export const pastedLines = (text: string): number => text.replace(/[\r\n]+$/, '').split(/\r\n|\r|\n/).length;

/** Opened by nobody but a person who copies it: http and https alone, written out as the browser reads it. */
export function linkAddress(text: string): string | null {
  try {
    const { protocol, href } = new URL(text);
    return protocol === 'http:' || protocol === 'https:' ? href : null;
  } catch {
    return null;
  }
}

export function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Bytes as requests can carry them, in pieces. */
export function piecesOf(bytes: Uint8Array): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += INPUT_MAX_BYTES) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + INPUT_MAX_BYTES))));
  }
  return pieces;
}

const KIB = 1024;
export const gapText = (bytes: number): string =>
  `${String(Math.max(1, Math.round(bytes / KIB)))} KiB of output are no longer kept`;

const SIGNALS: Readonly<Record<number, string>> = { 1: 'SIGHUP', 2: 'SIGINT', 9: 'SIGKILL', 15: 'SIGTERM' };

/** Of what does not go on as it should; null: it is live. */
export function stateSentence(state: TerminalState, hostName: string): string | null {
  switch (state.kind) {
    case 'live':
      return null;
    case 'connecting':
      return 'Connecting…';
    case 'lost':
      return `Link to ${hostName} lost, the shell goes on. It comes back by itself, with what was missed.`;
    case 'failed':
      return state.failure.message;
    case 'ended':
      return state.exitCode !== null
        ? `The shell ended with ${String(state.exitCode)}.`
        : state.signal !== null
          ? `The shell was ended by ${SIGNALS[state.signal] ?? `signal ${String(state.signal)}`}.`
          : 'The shell has ended, and nobody knows how: its process is gone (a logout, a restart of the host, or kill).';
    default:
      return assertNever(state, 'state of a terminal');
  }
}
