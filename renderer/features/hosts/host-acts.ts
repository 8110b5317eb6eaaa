/** Acts on a host that say their own success. */
import type { HostSnapshot } from '../../../model/model.ts';
import { ask } from '../../store/actions.ts';
import { setLinked } from '../../store/linked.ts';
import { showToast } from '../../store/ui.ts';

export async function linkCommand(host: HostSnapshot): Promise<void> {
  const made = await ask('host:link', { hostId: host.id });
  if (made === null) return;
  setLinked(host.id, made.worksInShell);
  showToast(
    made.worksInShell
      ? `${made.path} made, and tested: a login shell on ${host.name} finds “tranche”`
      : `${made.path} made, but a login shell on ${host.name} does not find it: put ~/.local/bin into PATH in ~/.profile there. Copied lines name the program in full.`,
  );
}

/** The folder of the version before, where there is one to go back to. */
export const previousOf = ({ connection }: HostSnapshot): string | null =>
  connection.kind === 'live' ? connection.agent.previous : null;

/** `0.0.9-x86_64` without its architecture. */
export const versionOf = (folder: string): string => folder.replace(/-(x86_64|aarch64)$/, '');
