/** One slice in full: what is wrong, two live charts, typed limits, how to run in it, who runs in it, the ledger. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit, mibExact, percentFromTenths } from '../../../model/units.ts';
import { readerOf, shortGpuName } from '../../domain/gpu-names.ts';
import { sliceSample } from '../../domain/host-figures.ts';
import { editRefusal } from '../../domain/rights.ts';
import { candidates } from '../../domain/slice-edits.ts';
import { terminalRefusal } from '../../domain/terminal-rights.ts';
import { copy } from '../../store/ask.ts';
import { idleText } from '../../store/idle-text.ts';
import { runCommandOf, useLinked } from '../../store/linked.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { Button, Chip, cx } from '../../components/bits.tsx';
import { EventList } from '../../components/event-list.tsx';
import { Icon } from '../../components/icons.tsx';
import { Menu } from '../../components/menu.tsx';
import type { MenuEntry } from '../../components/menu.tsx';
import { SourceLine } from '../../components/source-line.tsx';
import { TimeAxis } from '../../components/time-axis.tsx';
import { ComputeChart, MemoryChart } from '../../components/usage-charts.tsx';
import { useChart } from '../../components/use-chart.ts';
import { giveSlice } from '../../acts/slices.ts';
import { openTerminal } from '../../acts/terminals.ts';
import { SLICE_MENU, menuEntries } from '../../commands/menu-entries.ts';
import { runCommand } from '../../commands/registry.ts';
import { SliceFields } from './slice-fields.tsx';
import { SliceNotice } from './slice-notice.tsx';
import { SliceQueue } from './slice-queue.tsx';

export interface SliceInspectorProps {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly sample: Sample | null;
}

/** More people than this are reached through the Owner field instead. */
const MENU_PEOPLE_MAX = 12;

function entriesFor(host: HostSnapshot, slice: Slice): MenuEntry[] {
  const refusal = editRefusal(host);
  const people = candidates(host.people, slice.owner).slice(0, MENU_PEOPLE_MAX);
  return [
    ...menuEntries(SLICE_MENU),
    ...(people.length > 0 ? [{ key: 'give', heading: 'Give to' }] : []),
    ...people.map((person) => ({
      key: `give-${person.name}`,
      label: person.name,
      refusal,
      onPick: () => void giveSlice(host, slice, person.name),
    })),
  ];
}

export function SliceInspector({ host, gpu, slice, sample }: SliceInspectorProps): ReactElement {
  const hue = useOwnerClass(slice.owner);
  const reading = sliceSample(sample, slice.id);
  useLinked((s) => s.hosts);
  const command = runCommandOf(host, slice);
  const idle = idleText(host.id, slice);
  const chart = useChart(host, {
    kind: 'slice',
    id: slice.id,
    name: slice.name,
    hueClass: hue,
    refreshKey: slice.owner,
  });
  return (
    <div className={cx('inspector', hue)} role="group" aria-label={`Slice ${slice.name}`}>
      <div className="ins-head">
        <Chip owner={slice.owner} />
        <h2 className="cut" title={slice.name}>
          {slice.name}
        </h2>
        <span className="small two cut place">
          GPU {gpu.index}
          <span className="wide"> · {shortGpuName(gpu)}</span>
        </span>
        <Menu entries={entriesFor(host, slice)} label="More commands" className="btn quiet tight">
          <Icon name="more" />
        </Menu>
      </div>
      <SliceNotice host={host} gpu={gpu} slice={slice} reading={reading} />
      {idle !== null && (
        <p className="small two idle-line">
          <Icon name="idle" />
          Held but idle for {idle}
        </p>
      )}
      <MemoryChart
        chart={chart}
        capacityBytes={gpu.capacityBytes}
        usedBytes={reading?.memoryUsedBytes ?? null}
        ofBytes={slice.memoryLimitBytes}
      />
      <ComputeChart
        chart={chart}
        usedPercent={reading?.computeUsedTenths == null ? null : Math.round(reading.computeUsedTenths / 10)}
        ofPercent={slice.computeLimitPercent}
        note={
          (reading?.throttledTenths ?? 0) > 0 && (
            <span className="small warn">
              throttled {percentFromTenths(reading?.throttledTenths ?? null)}
            </span>
          )
        }
      >
        <TimeAxis hostId={host.id} rangeMs={chart.rangeMs} />
        <SourceLine watched={chart.watched} gpu={gpu} />
      </ComputeChart>
      <SliceFields host={host} gpu={gpu} slice={slice} reading={reading} />
      <section>
        <div className="head2">Run a program in this slice</div>
        <div className="run">
          <code>{command}</code>
          <Button
            kind="quiet"
            tight
            label="Copy the run command"
            onClick={() => void copy(command, 'Run command')}
          >
            <Icon name="copy" />
          </Button>
        </div>
        <div className="acts">
          <Button refusal={terminalRefusal(host, slice)} onClick={() => void openTerminal(host, slice)}>
            Open terminal
          </Button>
        </div>
      </section>
      <SliceQueue host={host} slice={slice} />
      <SliceProcesses slice={slice} sample={sample} />
      <Ledger reading={reading} gpu={gpu} />
      <section>
        <div className="head2">
          Last events
          <button type="button" className="text-act" onClick={() => runCommand('slice.audit')}>
            Who changed it
          </button>
        </div>
        <EventList hostId={host.id} sliceId={slice.id} max={6} />
      </section>
    </div>
  );
}

function SliceProcesses({
  slice,
  sample,
}: {
  readonly slice: Slice;
  readonly sample: Sample | null;
}): ReactElement {
  const processes = sample?.processes.filter((process) => process.sliceId === slice.id) ?? [];
  return (
    <section>
      <div className="head2">
        Processes <span>GiB · GPU time</span>
      </div>
      {processes.length === 0 ? (
        <p className="small three">Nothing runs in this slice.</p>
      ) : (
        <table>
          <colgroup>
            <col className="c-pid" />
            <col />
            <col className="c-52" />
            <col className="c-48" />
          </colgroup>
          <tbody>
            {processes.map((process) => (
              <tr key={`${String(process.pid)}-${process.startTicks}`}>
                <td className="mono">{process.pid}</td>
                <td className="mono cut" title={process.command}>
                  {process.command}
                </td>
                <td className="num">{gib(process.memoryUsedBytes)}</td>
                <td className="num">{percentFromTenths(process.computeUsedTenths)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Two ledgers and their difference: what programs asked for, and what the GPU really holds for them. */
function Ledger(props: { readonly reading: SliceSample | null; readonly gpu: Gpu }): ReactElement {
  const { reading, gpu } = props;
  const reader = readerOf(gpu);
  return (
    <section className="why">
      <div className="head2">Why do these numbers differ?</div>
      <dl className="ledger">
        <div>
          <dt>
            Asked for by the programs <span className="three">counted by the shim</span>
          </dt>
          <dd title={mibExact(reading?.ledgerBytes ?? null)}>{gib(reading?.ledgerBytes ?? null)}</dd>
        </div>
        <div title="CUDA contexts, modules and graphics: held by the driver for these programs, charged to the slice">
          <dt>
            CUDA contexts and modules
            {reading?.processCount == null
              ? ''
              : `, ${String(reading.processCount)} ${reading.processCount === 1 ? 'process' : 'processes'}`}{' '}
            <span className="three">the rest</span>
          </dt>
          <dd title={mibExact(reading?.residueBytes ?? null)}>{gib(reading?.residueBytes ?? null)}</dd>
        </div>
        <div className="sum">
          <dt>
            In use, the same as {gpu.backend.tool ?? 'the driver has it'}{' '}
            <span className="three">{reader}</span>
          </dt>
          <dd title={mibExact(reading?.memoryUsedBytes ?? null)}>
            {gibWithUnit(reading?.memoryUsedBytes ?? null)}
          </dd>
        </div>
      </dl>
      <p className="source micro three">
        The shim sees what programs ask for, at once. {reader} sees what the GPU holds for them, with what the
        driver adds. The rest is charged to the slice too.
      </p>
    </section>
  );
}
