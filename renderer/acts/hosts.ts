/** Acts on a host that say their own success. */
import type { HostSnapshot } from '../../model/model.ts';
import { ask, request, sayFailure } from '../store/ask.ts';
import { setLinked } from '../store/linked.ts';
import { showToast } from '../store/ui.ts';
import { setRefusal } from '../domain/rights.ts';

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

/** Where the agent has found no GPU: it looks at once, if this person may have it do so, and is then asked anew. */
export async function lookForGpus(host: HostSnapshot): Promise<void> {
  if (setRefusal(host) === null) {
    const looked = await request('gpu:look', { hostId: host.id });
    if (!looked.ok) {
      sayFailure(looked.error);
      return;
    }
  }
  await ask('host:retry', { hostId: host.id });
}
