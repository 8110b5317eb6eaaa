/** Menus, on a button or at the pointer. Keys, focus and placing are Radix's; the entries are ours. */
import * as ContextMenu from '@radix-ui/react-context-menu';
import * as DropdownMenu from '@radix-ui/react-dropdown-menu';
import { useRef, useState } from 'react';
import type { CSSProperties, ReactElement, ReactNode } from 'react';
import { cx } from './bits.tsx';

export interface MenuItem {
  readonly key: string;
  readonly label: ReactNode;
  readonly hint?: string | undefined;
  readonly onPick: () => void;
  readonly refusal?: string | null;
  readonly checked?: boolean;
  /** Any number of the checked ones may be on, not one of them. */
  readonly many?: true;
}
export type MenuEntry =
  | MenuItem
  | { readonly key: string; readonly heading: string }
  | { readonly key: string; readonly line: true };

export interface MenuProps {
  readonly entries: readonly MenuEntry[];
  readonly label: string;
  readonly className?: string;
  /** Data-only style of the root, for menus that have a place on a bar. */
  readonly style?: CSSProperties;
  readonly rootClassName?: string;
  readonly title?: string;
  readonly children: ReactNode;
}

type Parts = Pick<typeof DropdownMenu, 'Item' | 'Label' | 'Separator'>;

const focusedElement = (): HTMLElement | null =>
  document.activeElement instanceof HTMLElement && document.activeElement !== document.body
    ? document.activeElement
    : null;

/**
 * What was picked runs when the menu is gone and the focus is back where the menu hung: whatever it opens takes the
 * focus after that, keeps it, and can itself give it back. `back`: what has the focus before anything is opened.
 */
function usePicked(back: () => HTMLElement | null): {
  readonly pick: (run: () => void) => void;
  readonly onCloseAutoFocus: (event: Event) => void;
} {
  const picked = useRef<(() => void) | null>(null);
  return {
    pick: (run) => {
      picked.current = run;
    },
    onCloseAutoFocus: (event) => {
      const run = picked.current;
      // Left without a choice: the menu knows best who had the focus, and whether a press elsewhere has taken it.
      if (run === null) return;
      picked.current = null;
      event.preventDefault();
      back()?.focus({ preventScroll: true });
      run();
    },
  };
}

export function Menu(props: MenuProps): ReactElement {
  const { entries, label, className, style, rootClassName, title, children } = props;
  const trigger = useRef<HTMLButtonElement>(null);
  const { pick, onCloseAutoFocus } = usePicked(() => trigger.current);
  return (
    <div className={cx('menu-root', rootClassName)} style={style}>
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger ref={trigger} className={className ?? 'btn'} aria-label={label} title={title}>
          {children}
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal container={document.getElementById('floating')}>
          <DropdownMenu.Content
            className="menu"
            align="end"
            sideOffset={4}
            collisionPadding={8}
            loop
            onCloseAutoFocus={onCloseAutoFocus}
          >
            {entries.map((entry) => (
              <Entry key={entry.key} entry={entry} parts={DropdownMenu} onPick={pick} />
            ))}
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </div>
  );
}

/**
 * The menu of the right button, or of the menu key, over a whole region: one for all that is in it, because a menu for
 * each of a thousand things is work even while none is open. `entries` is asked when it opens, with what was hit.
 */
export function AtPointer(props: {
  readonly label: string;
  readonly entries: (hit: Element) => readonly MenuEntry[];
  readonly children: ReactNode;
}): ReactElement {
  const { label, entries, children } = props;
  const [asked, setAsked] = useState<readonly MenuEntry[]>([]);
  const before = useRef<HTMLElement | null>(null);
  const { pick, onCloseAutoFocus } = usePicked(() => before.current);
  return (
    <ContextMenu.Root modal={false}>
      <ContextMenu.Trigger
        asChild
        onContextMenu={(event) => {
          const found = event.target instanceof Element ? entries(event.target) : [];
          setAsked(found);
          before.current = focusedElement();
          // Where there is nothing to do, no empty box appears.
          if (found.length === 0) event.preventDefault();
        }}
      >
        {children}
      </ContextMenu.Trigger>
      <ContextMenu.Portal container={document.getElementById('floating')}>
        <ContextMenu.Content
          className="menu"
          collisionPadding={8}
          aria-label={label}
          loop
          onCloseAutoFocus={onCloseAutoFocus}
        >
          {asked.map((entry) => (
            <Entry key={entry.key} entry={entry} parts={ContextMenu} onPick={pick} />
          ))}
        </ContextMenu.Content>
      </ContextMenu.Portal>
    </ContextMenu.Root>
  );
}

function Entry(props: {
  readonly entry: MenuEntry;
  readonly parts: Parts;
  readonly onPick: (run: () => void) => void;
}): ReactElement {
  const { entry, parts, onPick } = props;
  if ('line' in entry) return <parts.Separator className="menu-line" />;
  if ('heading' in entry) return <parts.Label className="menu-heading">{entry.heading}</parts.Label>;
  const off = entry.refusal !== undefined && entry.refusal !== null;
  const radio =
    entry.checked === undefined
      ? {}
      : { role: entry.many === true ? 'menuitemcheckbox' : 'menuitemradio', 'aria-checked': entry.checked };
  return (
    <parts.Item
      className="menu-item"
      title={entry.refusal ?? undefined}
      aria-disabled={off || undefined}
      onSelect={(event) => {
        // Refused entries can be reached and read; picking one leaves the menu open.
        if (off) event.preventDefault();
        else onPick(entry.onPick);
      }}
      {...radio}
    >
      <span className="cut grow">{entry.label}</span>
      {entry.hint !== undefined && <kbd>{entry.hint}</kbd>}
    </parts.Item>
  );
}
