/** Beside the screen of all hosts, while nothing is selected: what each host has, and what is held but idle. */
import type { ReactElement } from 'react';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';
import { useFleet } from '../../store/fleet.ts';
import { idleText } from '../../store/idle-text.ts';
import { shownSample } from '../../store/series.ts';
import { selectHost } from '../../store/ui.ts';
import { EventList } from '../../components/event-list.tsx';
import { SliceLink } from '../../components/links.tsx';
import { useTick } from '../../components/use-sample.ts';
import { totalsOf } from './fleet-groups.ts';

const IDLE_SHOWN = 8;

export function FleetInspector(): ReactElement {
  const { order, hosts } = useFleet();
  useTick();
  const list = order.flatMap((id) => hosts[id] ?? []);
  const withGpus = list.filter((host) => host.gpus.length > 0);
  return (
    <div className="inspector" role="group" aria-label="All hosts">
      <div className="ins-head">
        <h2>All hosts</h2>
      </div>
      <section>
        <div className="head2">
          Hosts <span>free · allocated · used · GiB</span>
        </div>
        {withGpus.length === 0 ? (
          <p className="small three">No host has shown a GPU yet.</p>
        ) : (
          <table className="pickable">
            <tbody>
              {withGpus.map((host) => (
                <HostLine key={host.id} host={host} />
              ))}
            </tbody>
          </table>
        )}
      </section>
      <IdleSlices hosts={list} />
      <section>
        <div className="head2">Last events</div>
        <EventList hostId={null} sliceId={null} max={10} />
      </section>
    </div>
  );
}

function HostLine({ host }: { readonly host: HostSnapshot }): ReactElement {
  const { freeBytes, allocatedBytes, usedBytes } = totalsOf(
    host.gpus.map((gpu) => ({ host, gpu })),
    shownSample,
  );
  return (
    <tr>
      <td className="cut">
        <button
          type="button"
          className="link-plain cut"
          title={host.name}
          onClick={() => selectHost(host.id)}
        >
          {host.name}
        </button>
      </td>
      <td className="num c-52">{gib(freeBytes)}</td>
      <td className="num c-52">{gib(allocatedBytes)}</td>
      <td className="num c-52">{gib(usedBytes)}</td>
    </tr>
  );
}

function IdleSlices({ hosts }: { readonly hosts: readonly HostSnapshot[] }): ReactElement {
  const idle = hosts
    .flatMap((host) => host.slices.map((slice) => ({ host, slice, words: idleText(host.id, slice) })))
    .filter((one): one is { host: HostSnapshot; slice: Slice; words: string } => one.words !== null)
    .sort((a, b) => b.slice.memoryLimitBytes - a.slice.memoryLimitBytes);
  return (
    <section>
      <div className="head2">
        Held but idle <span>GiB · for</span>
      </div>
      {idle.length === 0 ? (
        <p className="small three">No slice has been without GPU time for long.</p>
      ) : (
        <table className="pickable">
          <tbody>
            {idle.slice(0, IDLE_SHOWN).map(({ host, slice, words }) => (
              <tr key={`${host.id} ${slice.id}`}>
                <td className="cut">
                  <SliceLink
                    host={host}
                    slice={slice}
                    title={`${slice.name} of ${slice.owner} on ${host.name}`}
                  />
                </td>
                <td className="num c-52">{gib(slice.memoryLimitBytes)}</td>
                <td className="num c-wait">{words}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
