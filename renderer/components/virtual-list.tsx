/** A long column of things of different heights, of which only those in sight are in the page. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';
import type { ReactElement } from 'react';
import { vars } from './bits.tsx';

const OVERSCAN = 3;

export function VirtualList<T>(props: {
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  /** A first guess; the real height is measured. */
  readonly heightPx: (item: T) => number;
  readonly render: (item: T) => ReactElement;
  readonly className?: string;
  readonly label: string;
  /** How many out of sight are kept ready at each end. */
  readonly overscan?: number;
}): ReactElement {
  const { items, keyOf, heightPx, render, className = '', label, overscan = OVERSCAN } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroll.current,
    estimateSize: (index) => {
      const item = items[index];
      return item === undefined ? 0 : heightPx(item);
    },
    getItemKey: (index) => {
      const item = items[index];
      return item === undefined ? index : keyOf(item);
    },
    overscan,
  });
  return (
    <div className={`virtual ${className}`} ref={scroll} role="region" aria-label={label} tabIndex={0}>
      <div className="virtual-body" style={vars({ '--height': `${String(virtual.getTotalSize())}px` })}>
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const item = items[index];
          return item === undefined ? null : (
            <div
              key={key}
              className="virtual-item"
              data-index={index}
              ref={virtual.measureElement}
              style={vars({ '--top': `${String(start)}px` })}
            >
              {render(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
