/** Deep links navigate: to a host of the list, one of its GPUs, one of its slices. They connect and change nothing. */
import { parseLink } from '../../model/links.ts';
import { useFleet } from '../store/fleet.ts';
import { announce, select, selectHost, showToast } from '../store/ui.ts';

/** A link that came before the hosts did. */
let waiting: string | null = null;

export function followLink(link: string): void {
  const place = parseLink(link);
  if (place === null) return;
  const { loaded, hosts, order } = useFleet.getState();
  if (!loaded) {
    waiting = link;
    return;
  }
  const { hostName, gpuUuid, sliceId } = place;
  const host = order.map((id) => hosts[id]).find((h) => h?.name === hostName);
  if (host === undefined) {
    showToast(`No host in the list is called “${hostName}”. Nothing was connected.`);
    return;
  }
  selectHost(host.id);
  const slice = host.slices.find((s) => s.id === sliceId);
  const gpu = host.gpus.find((g) => g.uuid === gpuUuid);
  if (slice !== undefined) select(host.id, { kind: 'slice', id: slice.id });
  else if (gpu !== undefined) select(host.id, { kind: 'gpu', uuid: gpu.uuid });
  if ((sliceId !== null && slice === undefined) || (gpuUuid !== null && gpu === undefined)) {
    showToast(`What the link names is not on ${host.name}, or not known yet.`);
  } else announce(`${host.name} is shown`);
}

/** Called when the hosts are there. */
export function followWaiting(): void {
  const link = waiting;
  waiting = null;
  if (link !== null) followLink(link);
}
