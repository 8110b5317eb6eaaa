/** Python environments to run in: what there is in a folder of a host, what each is called, and the one used last. */
import { useEffect, useState } from 'react';
import { z } from 'zod';
import type { Failure } from '../../../model/errors.ts';
import type { HostSnapshot, PythonEnvironment } from '../../../model/model.ts';
import { request } from '../../store/ask.ts';
import { readStored, writeStored } from '../../store/stored.ts';

/** What is typed into the folder rests this long before it is looked into. */
const TYPING_REST_MS = 400;

export interface Environments {
  readonly list: readonly PythonEnvironment[];
  /** null: they could be read, or are still being read. */
  readonly failure: Failure | null;
  readonly isAsking: boolean;
}

const NONE: Environments = { list: [], failure: null, isAsking: true };

/** Those of a folder, asked anew when it is another one; an answer for a folder that is left is dropped. */
export function useEnvironments(host: HostSnapshot, cwd: string): Environments {
  const [state, setState] = useState<Environments>(NONE);
  useEffect(() => {
    let isMeant = true;
    setState((before) => ({ ...before, isAsking: true }));
    const ask = async (): Promise<void> => {
      const reply = await request('job:environments', { hostId: host.id, cwd: cwd === '' ? null : cwd });
      if (!isMeant) return;
      setState(
        reply.ok
          ? { list: reply.value, failure: null, isAsking: false }
          : { list: [], failure: reply.error, isAsking: false },
      );
    };
    const timer = setTimeout(() => void ask(), TYPING_REST_MS);
    return () => {
      isMeant = false;
      clearTimeout(timer);
    };
  }, [host.id, cwd]);
  return state;
}

const lastPart = (path: string): string =>
  path
    .split('/')
    .filter((part) => part !== '')
    .at(-1) ?? path;

/** `conda train`, `…/.venv`, `pyenv 3.11.4`; in full where two would be called the same. */
export function environmentNames(
  list: readonly PythonEnvironment[],
): readonly (readonly [path: string, name: string])[] {
  const short = list.map(({ kind, path }) =>
    kind === 'venv' ? `…/${lastPart(path)}` : `${kind} ${lastPart(path)}`,
  );
  return list.map(({ kind, path }, at) => {
    const name = short[at] ?? path;
    return [path, short.filter((one) => one === name).length > 1 ? `${kind} ${path}` : name] as const;
  });
}

/* ---- the one used last on a host ---- */

const STORE_KEY = 'tranche.environments';
const HOSTS_MAX = 50;
const schema = z.array(z.object({ host: z.string().max(512), path: z.string().max(1000) })).max(HOSTS_MAX);

/** Empty: as in the shell. */
export const lastEnvironment = (host: HostSnapshot): string =>
  readStored(STORE_KEY, schema, []).find((one) => one.host === host.name)?.path ?? '';

export function rememberEnvironment(host: HostSnapshot, path: string): void {
  const others = readStored(STORE_KEY, schema, []).filter((one) => one.host !== host.name);
  writeStored(STORE_KEY, [{ host: host.name, path }, ...others].slice(0, HOSTS_MAX));
}
