/** The rows under the palette's box. Only those in sight are in the page, whatever there is to be found. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useLayoutEffect, useRef } from 'react';
import type { PointerEvent, ReactElement } from 'react';
import { OwnerTag, cx, vars } from '../../components/bits.tsx';
import type { PaletteItem } from './item.ts';
import { firstItem } from './rows.ts';
import type { Row } from './rows.ts';

/** As in palette.css. */
const ITEM_PX = 28;
const HEADING_PX = 28;
const OVERSCAN = 4;
/** Until the list has been measured: as high as it gets on most screens. */
const GUESS = { width: 680, height: 560 };

export interface PaletteListProps {
  readonly id: string;
  readonly label: string;
  readonly rows: readonly Row<PaletteItem>[];
  /** The row that Enter is meant for; -1: none. */
  readonly at: number;
  readonly onMove: (row: number) => void;
  readonly onPick: (item: PaletteItem) => void;
}

/** Of the option in a row, for aria-activedescendant. */
export const optionId = (listId: string, row: number): string => `${listId}-${String(row)}`;

const rowUnder = (event: { readonly target: EventTarget }): number | null => {
  const row = event.target instanceof Element ? event.target.closest('[data-row]') : null;
  return row === null ? null : Number(row.getAttribute('data-row'));
};

export function PaletteList(props: PaletteListProps): ReactElement {
  const { id, label, rows, at, onMove, onPick } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: (row) => (rows[row]?.kind === 'heading' ? HEADING_PX : ITEM_PX),
    overscan: OVERSCAN,
    initialRect: GUESS,
    paddingStart: 4,
    paddingEnd: 8,
  });
  const first = firstItem(rows);
  useLayoutEffect(() => {
    virtual.measure();
  }, [rows]);
  useLayoutEffect(() => {
    // With its heading, which says what the best answer is.
    if (at > first) virtual.scrollToIndex(at);
    // To where it is already is no way, but asks the page for its layout.
    else if (virtual.scrollOffset !== 0) virtual.scrollToOffset(0);
  }, [rows, at]);
  const count = rows.reduce((sum, row) => sum + Number(row.kind === 'item'), 0);
  return (
    <div
      ref={scroll}
      id={id}
      className="palette-list"
      role="listbox"
      aria-label={label}
      onPointerMove={(event: PointerEvent) => {
        const row = rowUnder(event);
        if (row !== null && row !== at) onMove(row);
      }}
      onClick={(event) => {
        const row = rowUnder(event);
        const under = row === null ? undefined : rows[row];
        if (under?.kind === 'item') onPick(under.item);
      }}
    >
      <div
        className="virtual-body"
        role="presentation"
        style={vars({ '--height': `${String(virtual.getTotalSize())}px` })}
      >
        {virtual.getVirtualItems().map(({ index, start }) => {
          const row = rows[index];
          if (row === undefined) return null;
          return row.kind === 'heading' ? (
            <Heading key={index} text={row.text} topPx={start} />
          ) : (
            <Option
              key={index}
              id={optionId(id, index)}
              row={index}
              topPx={start}
              item={row.item}
              group={row.group}
              position={row.position}
              of={count}
              isOn={index === at}
            />
          );
        })}
      </div>
    </div>
  );
}

const top = (px: number) => vars({ '--top': `${String(px)}px` });

const Heading = memo(function Heading(props: {
  readonly text: string;
  readonly topPx: number;
}): ReactElement {
  return (
    <div className="palette-heading" role="presentation" style={top(props.topPx)}>
      {props.text}
    </div>
  );
});

const Option = memo(function Option(props: {
  readonly id: string;
  readonly row: number;
  readonly topPx: number;
  readonly item: PaletteItem;
  readonly group: string;
  readonly position: number;
  readonly of: number;
  readonly isOn: boolean;
}): ReactElement {
  const { item, isOn } = props;
  const { refusal } = item;
  const hint = refusal ?? item.hint;
  return (
    <div
      id={props.id}
      data-row={props.row}
      role="option"
      aria-selected={isOn}
      aria-disabled={refusal !== null || undefined}
      aria-posinset={props.position}
      aria-setsize={props.of}
      aria-description={props.group}
      className={cx('palette-row', isOn && 'is-on', refusal !== null && 'is-off')}
      style={top(props.topPx)}
    >
      <span className="cut palette-title" title={item.title}>
        {item.owner === null ? item.title : <OwnerTag owner={item.owner}>{item.title}</OwnerTag>}
      </span>
      <span className="cut small two palette-hint" title={hint}>
        {hint}
      </span>
      {item.key !== null && <kbd>{item.key}</kbd>}
    </div>
  );
});
