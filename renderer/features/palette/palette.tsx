/** One box that finds everything and runs it: a combobox, its list, and a layer over the page that takes its clicks. */
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import { commandContext } from '../../commands/context.ts';
import { bindings } from '../../commands/registry.ts';
import { shownSample } from '../../store/series.ts';
import { closePalette, useUi } from '../../store/ui.ts';
import type { PaletteMode } from '../../store/ui.ts';
import { findRoom, parseWanted } from './finder.ts';
import type { PaletteItem } from './item.ts';
import { allItems, answerItems, roomItems } from './items.ts';
import { PaletteList, optionId } from './palette-list.tsx';
import { recentIds, rememberPicked } from './recent.ts';
import { firstItem, rowAfterKey, rowsOf } from './rows.ts';
import type { Row } from './rows.ts';
import { finderFor, sections } from './search.ts';

export function Palette(): ReactElement | null {
  const palette = useUi((s) => s.palette);
  return palette === null ? null : (
    <OpenPalette key={palette.mode} mode={palette.mode} query={palette.query} />
  );
}

const WORDS: Readonly<Record<PaletteMode, readonly [label: string, placeholder: string]>> = {
  all: ['Search and run', 'A command, a host, a slice, a person, or a size such as 20g'],
  give: ['Give to', 'A person'],
  move: ['Move to', 'A GPU'],
  until: ['Until', 'A day'],
  terminal: ['Open a terminal in', 'A slice'],
};

/** Items are made once per opening: a list that changes under the arrow keys cannot be used. */
function useRows(mode: PaletteMode, query: string): readonly Row<PaletteItem>[] {
  const made = useMemo(() => {
    const context = commandContext();
    const items =
      mode === 'all'
        ? allItems(context, bindings(context))
        : answerItems(mode, context, shownSample, new Date());
    return {
      hosts: context.fleet.order.flatMap((id) => context.fleet.hosts[id] ?? []),
      items,
      find: finderFor(items),
      recent: mode === 'all' ? recentIds() : [],
    };
  }, [mode]);
  return useMemo(() => {
    const wanted = mode === 'all' ? parseWanted(query) : null;
    if (wanted === null) return rowsOf(sections(made.items, made.find, query, made.recent));
    // A size is no name: whatever else has its letters somewhere would only be in the way.
    const items = roomItems(findRoom(wanted, made.hosts, shownSample));
    return rowsOf([{ heading: 'Where it fits', items, more: 0 }]);
  }, [made, mode, query]);
}

/**
 * Shows the layer, and gives the focus back when it goes. Not as a modal dialog: that makes the browser work out the
 * style of the whole page anew, now and when it closes, each 50 ms of the processor with a fleet in view. The layer
 * takes every click, the box keeps the keys, and aria-modal tells readers. Over a sheet, which is modal, it has to be
 * one too, else it would lie under it.
 */
function useLayer() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const layer = ref.current;
    const before = document.activeElement;
    if (layer !== null && !layer.open) {
      if (document.querySelector('dialog:modal') === null) layer.show();
      else layer.showModal();
      layer.querySelector('input')?.focus({ preventScroll: true });
    }
    // Not modal, so nothing but this keeps the focus here: whoever takes it from the box, be it late, gives it back.
    const onFocus = ({ target }: FocusEvent): void => {
      const isHere = target instanceof Node && layer?.contains(target) === true;
      if (layer === null || isHere || document.querySelector('dialog:modal:not(.palette-layer)') !== null)
        return;
      layer.querySelector('input')?.focus({ preventScroll: true });
    };
    document.addEventListener('focusin', onFocus);
    return () => {
      document.removeEventListener('focusin', onFocus);
      layer?.close();
      if (before instanceof HTMLElement && document.activeElement === document.body)
        before.focus({ preventScroll: true });
    };
  }, []);
  return ref;
}

function OpenPalette({ mode, query }: { readonly mode: PaletteMode; readonly query: string }): ReactElement {
  const layer = useLayer();
  const listId = useId();
  const [typed, setTyped] = useState(query);
  const rows = useRows(mode, typed);
  const [moved, setMoved] = useState<{ readonly in: typeof rows; readonly to: number } | null>(null);
  const at = moved?.in === rows ? moved.to : firstItem(rows);
  const [label, placeholder] = WORDS[mode];
  const pick = (item: PaletteItem): void => {
    if (item.refusal !== null) return;
    if (mode === 'all') rememberPicked(item.id);
    closePalette();
    // After the layer has given the focus back, so that what opens next can take it.
    requestAnimationFrame(item.run);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = rowAfterKey(rows, at, event.key);
    const here = rows[at];
    if (to !== null) setMoved({ in: rows, to });
    else if (event.key === 'Escape') closePalette();
    else if (event.key === 'Enter' && here?.kind === 'item') pick(here.item);
    // There is one thing to focus; what lies under the layer is not to be reached.
    else if (event.key !== 'Tab' && event.key !== 'Enter') return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={layer}
      className="palette-layer"
      aria-label={label}
      aria-modal="true"
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        closePalette();
      }}
      // Whatever is pressed, the keys stay with the box.
      onMouseDown={(event) => {
        if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) closePalette();
      }}
    >
      <div className="palette">
        <input
          type="text"
          role="combobox"
          aria-label={label}
          aria-expanded={rows.length > 0}
          aria-controls={rows.length > 0 ? listId : undefined}
          aria-autocomplete="list"
          aria-activedescendant={at === -1 ? undefined : optionId(listId, at)}
          placeholder={placeholder}
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        {rows.length === 0 ? (
          <p className="palette-none small two" role="status">
            Nothing is called “{typed}”.
          </p>
        ) : (
          <PaletteList
            id={listId}
            label={label}
            rows={rows}
            at={at}
            onMove={(to) => setMoved({ in: rows, to })}
            onPick={pick}
          />
        )}
      </div>
    </dialog>
  );
}
