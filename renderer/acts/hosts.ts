/** Acts on a host that say their own success. */
import type { HostSnapshot } from '../../model/model.ts';
import { ask } from '../store/ask.ts';
import { setLinked } from '../store/linked.ts';
import { showToast } from '../store/ui.ts';

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
