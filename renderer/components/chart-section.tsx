/** A chart with its heading, its figure, where it comes from, and what can be taken from it. */
import { useRef } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { QUANTITIES, pointRows } from '../domain/chart-data.ts';
import { fileStamp, utc } from '../domain/when.ts';
import { copy } from '../store/ask.ts';
import { openDialog, showToast } from '../store/ui.ts';
import { resetZoom, useZoom } from '../store/zoom.ts';
import { chartPicture, copyPicture } from './chart-picture.ts';
import { shownPart } from './chart-shown.ts';
import { SeriesChart } from './chart.tsx';
import type { SeriesChartProps } from './chart.tsx';
import { csvText } from './csv.ts';
import { Icon } from './icons.tsx';
import { Menu } from './menu.tsx';
import { saveFile } from './save-file.ts';

export interface ChartSectionProps extends Omit<SeriesChartProps, 'onCanvas'> {
  /** Whose chart it is, for files and pictures: `hopper nightly`. */
  readonly of: string;
  readonly note?: ReactNode;
  readonly figure: ReactNode;
  readonly children?: ReactNode;
}

export function ChartSection(props: ChartSectionProps): ReactElement {
  const { of, note, figure, children, ...chart } = props;
  const canvas = useRef<HTMLCanvasElement | null>(null);
  const zoomed = useZoom((s) => s.window !== null);
  const { name, unit } = QUANTITIES[chart.quantity];
  const title = `${of}: ${name}, ${unit}`;

  const asPicture = async (): Promise<void> => {
    const picture = canvas.current === null ? null : await chartPicture(canvas.current, title);
    if (picture === null) showToast('The chart could not be drawn as a picture.');
    else if (await copyPicture(picture)) showToast(`${name} copied as a picture`);
    else saveFile(`tranche-${of.replace(/[^A-Za-z0-9._-]+/g, '-')}-${fileStamp(Date.now())}.png`, picture);
  };
  const asCsv = async (): Promise<void> => {
    const { points, fromMs } = shownPart(chart.watched, chart.rangeMs);
    const rows = pointRows(points, chart.quantity, fromMs);
    const text = await csvText(
      ['time', `${name} ${unit}`, `limit ${unit}`, 'throttled %'],
      rows.map((row) => [utc(row.atMs), row.value, row.limit, row.throttledPercent]),
    );
    await copy(text, `${String(rows.length)} points`);
  };
  return (
    <section className="chart" aria-label={title}>
      <header>
        <span>{name}</span>
        {note}
        <div className="grow" />
        {figure}
        <Menu
          label={`${name}: more`}
          className="btn quiet tight chart-more"
          entries={[
            {
              key: 'table',
              label: 'View as table',
              onPick: () =>
                openDialog({
                  kind: 'points',
                  title,
                  quantity: chart.quantity,
                  rows: pointRows(
                    shownPart(chart.watched, chart.rangeMs).points,
                    chart.quantity,
                    shownPart(chart.watched, chart.rangeMs).fromMs,
                  ),
                }),
            },
            { key: 'png', label: 'Copy as picture', onPick: () => void asPicture() },
            { key: 'csv', label: 'Copy as CSV', onPick: () => void asCsv() },
            {
              key: 'reset',
              label: 'Show the whole range',
              refusal: zoomed ? null : 'Nothing is zoomed into. Drag over a chart to zoom.',
              onPick: resetZoom,
            },
          ]}
        >
          <Icon name="more" />
        </Menu>
      </header>
      <SeriesChart
        {...chart}
        onCanvas={(element) => {
          canvas.current = element;
        }}
      />
      {children}
    </section>
  );
}
