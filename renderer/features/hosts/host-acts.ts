/** Acts on a host that say their own success. */
import type { HostSnapshot } from '../../../model/model.ts';
import { ask } from '../../store/actions.ts';
import { showToast } from '../../store/ui.ts';

export async function linkCommand(host: HostSnapshot): Promise<void> {
  const made = await ask('host:link', { hostId: host.id });
  if (made !== null) showToast(`${made.path} made: “tranche” works in your shell on ${host.name}`);
}
