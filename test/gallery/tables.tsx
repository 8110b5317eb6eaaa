/** Tables, lists and what happened. */
import type { ReactElement } from 'react';
import { vars } from '../../renderer/components/bits.tsx';
import { DataRow, HeadCell } from '../../renderer/components/data-cells.tsx';
import type { Column } from '../../renderer/components/data-columns.ts';
import { DataTable } from '../../renderer/components/data-table.tsx';
import { EventList } from '../../renderer/components/event-list.tsx';
import { PaneEdge } from '../../renderer/components/pane-edge.tsx';
import { VirtualList } from '../../renderer/components/virtual-list.tsx';
import { ProcessTable } from '../../renderer/features/processes/process-table.tsx';
import { SliceTable } from '../../renderer/features/table/slice-table.tsx';
import { crowded, faulty } from '../fakes/fake-hosts.ts';
import { LAB, LAB_SAMPLE, LONG_NAME, sampleOf } from './lab.ts';
import type { GallerySection } from './state.ts';

const nothing = (): void => undefined;

interface Row {
  readonly name: string;
  readonly figure: number | null;
}
const COLUMNS: readonly Column<Row>[] = [
  { id: 'name', heading: 'Name', width: 120, grows: true, value: (row) => row.name, cell: (row) => row.name },
  {
    id: 'figure',
    heading: 'GiB',
    title: 'Of memory',
    width: 70,
    numeric: true,
    value: (row) => row.figure,
    cell: (row) => row.figure ?? '—',
  },
];
const ROWS: readonly Row[] = [
  { name: 'run-9', figure: 12 },
  { name: 'run-10', figure: null },
  { name: LONG_NAME, figure: 3 },
];
const Table = (props: { readonly name: string; readonly rows: readonly Row[] }): ReactElement => (
  <div className="table-room">
    <DataTable
      label="A table"
      name={`gallery-${props.name}`}
      rows={props.rows}
      columns={COLUMNS}
      rowKey={(row) => row.name}
      sortBy="figure"
      isSelected={(row) => row.name === 'run-9'}
      onPick={nothing}
      empty="Nothing is here yet."
    />
  </div>
);
const [NAME, FIGURE] = COLUMNS;
if (NAME === undefined || FIGURE === undefined) throw new Error('the table has two columns');
const head = { column: NAME, onSort: nothing };
const row = {
  row: { name: 'run-10', figure: null },
  index: 0,
  topPx: 0,
  columns: COLUMNS,
  isSelected: false,
  isCurrent: false,
  onFocus: nothing,
  onPick: nothing,
  onKey: nothing,
};
/** The frame that the parts of a table stand in. */
const Frame = ({ children }: { readonly children: ReactElement }): ReactElement => (
  <div
    className="data-table"
    role="grid"
    aria-label="Parts of a table"
    style={vars({ '--columns': 'minmax(120px, 1fr) 70px', '--least': '0px' })}
  >
    {children}
  </div>
);
const OneRow = (props: Partial<typeof row> & { readonly id: string }): ReactElement => (
  <Frame>
    <div className="data-body" role="rowgroup" style={vars({ '--height': '24px' })}>
      <DataRow<Row> {...row} {...props} />
    </div>
  </Frame>
);

export const TABLES: GallerySection = {
  name: 'tables',
  title: 'Tables and lists',
  states: [
    { name: 'table', draw: () => <Table name="full" rows={ROWS} /> },
    { name: 'table empty', draw: () => <Table name="empty" rows={[]} /> },
    {
      name: 'heading',
      draw: () => (
        <Frame>
          <div className="data-head" role="row">
            <HeadCell {...head} sort={undefined} />
            <HeadCell column={FIGURE} onSort={nothing} sort={undefined} />
          </div>
        </Frame>
      ),
    },
    {
      name: 'heading sorted by',
      draw: () => (
        <Frame>
          <div className="data-head" role="row">
            <HeadCell {...head} sort={{ id: 'name', desc: false }} />
            <HeadCell column={FIGURE} onSort={nothing} sort={{ id: 'figure', desc: true }} />
          </div>
        </Frame>
      ),
    },
    { name: 'row unknown', draw: () => <OneRow id="unknown" /> },
    { name: 'row selected', draw: () => <OneRow id="selected" isSelected /> },
    {
      name: 'slices',
      isWide: true,
      draw: () => (
        <div className="table-room">
          <SliceTable
            hosts={[faulty()]}
            sampleOf={() => LAB_SAMPLE}
            sampleKey="still"
            name="fleet-slices"
            empty="—"
          />
        </div>
      ),
    },
    {
      name: 'slices unknown',
      isWide: true,
      draw: () => (
        <div className="table-room">
          <SliceTable hosts={[LAB]} sampleOf={() => null} sampleKey="none" name="host-slices" empty="—" />
        </div>
      ),
    },
    {
      name: 'slices with long names',
      isWide: true,
      draw: () => {
        const crowd = crowded();
        const host = { ...crowd, slices: crowd.slices.slice(-5) };
        const sample = sampleOf(host);
        return (
          <div className="table-room">
            <SliceTable
              hosts={[host]}
              sampleOf={() => sample}
              sampleKey="long"
              name="fleet-slices"
              empty="—"
            />
          </div>
        );
      },
    },
    {
      name: 'processes',
      isWide: true,
      draw: () => (
        <div className="table-room">
          <ProcessTable host={LAB} sample={LAB_SAMPLE} />
        </div>
      ),
    },
    {
      name: 'processes loading',
      isWide: true,
      draw: () => (
        <div className="table-room">
          <ProcessTable host={LAB} sample={null} />
        </div>
      ),
    },
    {
      name: 'long list',
      draw: () => (
        <div className="table-room">
          <VirtualList
            label="A long list"
            items={Array.from({ length: 1000 }, (_, i) => `student${String(i)}`)}
            keyOf={(item) => item}
            heightPx={() => 24}
            render={(item) => <p className="list-line">{item}</p>}
          />
        </div>
      ),
    },
    {
      name: 'long list empty',
      draw: () => (
        <div className="table-room">
          <VirtualList<string>
            label="An empty list"
            items={[]}
            keyOf={(item) => item}
            heightPx={() => 24}
            render={(item) => <p>{item}</p>}
          />
        </div>
      ),
    },
    {
      name: 'edge of a pane',
      draw: () => (
        <div className="pane">
          A pane
          <PaneEdge pane="hosts" label="Width of a pane" />
        </div>
      ),
    },
    { name: 'events', draw: () => <EventList hostId="ssh:hopper" sliceId={null} max={6} /> },
    { name: 'events none', draw: () => <EventList hostId={null} sliceId={null} max={6} /> },
    { name: 'events not connected', draw: () => <EventList hostId="ssh:lovelace" sliceId={null} max={6} /> },
  ],
};
