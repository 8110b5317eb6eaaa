/** One box that finds everything and runs it. The list is cmdk's (roles, arrows, Home, End); the dialog the browser's. */
import { Command } from 'cmdk';
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import { commandContext } from '../../commands/context.ts';
import { bindings } from '../../commands/registry.ts';
import { OwnerTag } from '../../components/bits.tsx';
import { shownSample } from '../../store/series.ts';
import { closePalette, useUi } from '../../store/ui.ts';
import type { PaletteMode } from '../../store/ui.ts';
import { findRoom, parseWanted } from './finder.ts';
import { allItems, answerItems, roomItems } from './items.ts';
import type { PaletteItem } from './items.ts';
import { recentIds, rememberPicked } from './recent.ts';
import { finderFor, firstOf, sections } from './search.ts';
import type { Section } from './search.ts';

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
};

/** More than the list shows without being scrolled. */
const IN_SIGHT = 16;
const NOTHING_YET: readonly Section<PaletteItem>[] = [];

/** Items are made once per opening: a list that changes under the arrow keys can not be used. */
function useSections(mode: PaletteMode, query: string): readonly Section<PaletteItem>[] {
  const made = useMemo(() => {
    const context = commandContext();
    const items =
      mode === 'all'
        ? allItems(context, bindings(context), shownSample)
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
    if (wanted === null) return sections(made.items, made.find, query, made.recent);
    // A size is no name: whatever else has its letters somewhere would only be in the way.
    return [
      { heading: 'Where it fits', items: roomItems(findRoom(wanted, made.hosts, shownSample)), more: 0 },
    ];
  }, [made, mode, query]);
}

function OpenPalette({ mode, query }: { readonly mode: PaletteMode; readonly query: string }): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState(query);
  const found = useSections(mode, typed);
  // What is in sight comes with the key that asked for it; the rest follows, unless another key comes first.
  const all = useDeferredValue(found, NOTHING_YET);
  const shown = all === found ? found : firstOf(found, IN_SIGHT);
  const [label, placeholder] = WORDS[mode];
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    // Said beforehand: by itself a dialog focuses the first thing that can be clicked, which is the list around the box.
    dialog?.querySelector('input')?.setAttribute('autofocus', '');
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && document.activeElement === document.body) before.focus();
    };
  }, []);
  const pick = (item: PaletteItem): void => {
    if (item.refusal !== null) return;
    if (mode === 'all') rememberPicked(item.id);
    closePalette();
    // After the dialog has given the focus back, so that what opens next can take it.
    requestAnimationFrame(item.run);
  };
  return (
    <dialog
      ref={ref}
      className="palette"
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        closePalette();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) closePalette();
      }}
    >
      <Command shouldFilter={false} loop label={label}>
        <Command.Input placeholder={placeholder} value={typed} onValueChange={setTyped} />
        <Command.List label={label}>
          {shown.length === 0 && <p className="palette-none small two">Nothing is called “{typed}”.</p>}
          {shown.map((section) => (
            <Command.Group
              key={section.heading}
              heading={
                section.more === 0
                  ? section.heading
                  : `${section.heading} · ${String(section.more)} more, found by typing`
              }
            >
              {section.items.map((item) => (
                <Row key={item.id} item={item} onPick={() => pick(item)} />
              ))}
            </Command.Group>
          ))}
        </Command.List>
      </Command>
    </dialog>
  );
}

function Row({ item, onPick }: { readonly item: PaletteItem; readonly onPick: () => void }): ReactElement {
  const { refusal } = item;
  return (
    <Command.Item
      value={item.id}
      onSelect={onPick}
      aria-disabled={refusal !== null || undefined}
      className={refusal === null ? 'palette-row' : 'palette-row is-off'}
    >
      <span className="cut palette-title" title={item.title}>
        {item.owner === null ? item.title : <OwnerTag owner={item.owner}>{item.title}</OwnerTag>}
      </span>
      <span className="cut small two palette-hint" title={refusal ?? item.hint}>
        {refusal ?? item.hint}
      </span>
      {item.key !== null && <kbd>{item.key}</kbd>}
    </Command.Item>
  );
}
