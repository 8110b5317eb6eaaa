/** Versions of the agent, as folders on its host are called. Pure. */
import type { HostSnapshot } from '../../model/model.ts';

/** The folder of the version before, where there is one to go back to. */
export const previousOf = ({ connection }: HostSnapshot): string | null =>
  connection.kind === 'live' ? connection.agent.previous : null;

/** `0.0.9-x86_64` without its architecture. */
export const versionOf = (folder: string): string => folder.replace(/-(x86_64|aarch64)$/, '');
