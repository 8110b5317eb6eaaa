/** What the tray shows: the worst state, and what is free on each host. Pure. */
import type { RequestArgs } from '../../../model/ipc.ts';
import { formatLink } from '../../../model/links.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gibWithUnit } from '../../../model/units.ts';
import { hostFigures } from '../../domain/host-figures.ts';
import { hostStatus } from '../../domain/host-status.ts';

type TrayState = NonNullable<RequestArgs<'tray:show'>['tray']>;
const HOSTS_MAX = 40;

export function trayState(
  hosts: readonly HostSnapshot[],
  sampleOf: (hostId: string) => Sample | null,
  paused: boolean,
): TrayState {
  const states = hosts.map((host) => ({
    host,
    // A menu does not count seconds: whoever reconnects says so, without when.
    status: hostStatus(host.connection, host.source === 'demo', Number.MAX_SAFE_INTEGER, null),
  }));
  const tones = states.map(({ status }) => status.tone);
  return {
    worst: tones.includes('bad') ? 'bad' : tones.includes('warn') ? 'warn' : 'live',
    paused,
    hosts: states.slice(0, HOSTS_MAX).map(({ host, status }) => {
      const { freeBytes } = hostFigures(host, sampleOf(host.id));
      const word = freeBytes === null ? (status.word ?? 'live') : `${gibWithUnit(freeBytes)} free`;
      const more = freeBytes !== null && status.tone !== 'plain' ? `, ${status.word ?? ''}` : '';
      return {
        label: `${host.name}: ${word}${more}`.slice(0, 200),
        link: formatLink({ hostName: host.name, gpuUuid: null, sliceId: null }),
      };
    }),
  };
}
