/** What a handshake hears of its stream beside what ssh2 tells: how it ended, what came first, what was said in passing. */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { plainText } from './plain-text.ts';

/** What a server may say before its version, in bytes. */
const GREETING_MAX = 2_000;

/** What a server says before its version: "Not allowed at this time", "Exceeded MaxStartups". Bounded, made plain. */
export function collectGreeting(sock: Duplex): () => string {
  let said = '';
  const hear = (chunk: Buffer): void => {
    said += chunk.toString('latin1');
    const version = said.search(/^SSH-/m);
    if (version !== -1) said = said.slice(0, version);
    if (version !== -1 || said.length > GREETING_MAX) sock.off('data', hear);
  };
  sock.on('data', hear);
  return () => plainText(Buffer.from(said.slice(0, GREETING_MAX), 'latin1').toString('utf8')).trim();
}

/**
 * The one place where a handshake ends early: each reason settles the attempt itself, and then the stream. An end that
 * depended on what the stream still says would wait for ever on one that was closed before anybody listened.
 */
export function earlyEnd(sock: Duplex) {
  let end: (why: Error) => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    end = (why) => {
      reject(why);
      sock.destroy();
    };
  });
  ended.catch(() => undefined); // the attempt may be over by then
  const closed = (): void => {
    // ssh2 hears of it too, and may know more.
    setImmediate(end, new Error('the other side closed the connection'));
  };
  sock.once('close', closed);
  sock.on('error', end);
  return {
    ended,
    end,
    /** The stream belongs to the connection now. */
    detach: () => {
      sock.off('close', closed);
    },
  };
}

type InfoRequest = (protocol: unknown, name: string, instructions: string, prompts: unknown) => void;

/**
 * Rounds of keyboard-interactive that ask nothing ("Pushed a login request to your phone"): ssh2 answers them by itself
 * and tells nobody, so they are heard where its protocol hands them over. Throws where another ssh2 has no such place.
 */
export function hearInfo(client: Client, hear: (name: string, instructions: string) => void): void {
  const { _protocol: protocol } = client as unknown as {
    _protocol?: { _handlers?: Record<string, InfoRequest> };
  };
  const handlers = protocol?._handlers;
  const before = handlers?.['USERAUTH_INFO_REQUEST'];
  if (!handlers || !before) throw new Error('this ssh2 has no place where information is told');
  handlers['USERAUTH_INFO_REQUEST'] = (self, name, instructions, prompts) => {
    if (Array.isArray(prompts) && prompts.length > 0) before(self, name, instructions, prompts);
    else {
      hear(name, instructions);
      before(self, name, instructions, prompts);
    }
  };
}
