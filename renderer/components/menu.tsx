/** A menu on a button: arrows, Home, End, Esc, letters; focus returns to the button. */
import { useEffect, useRef, useState } from 'react';
import type { CSSProperties, KeyboardEvent, ReactElement, ReactNode } from 'react';
import { cx } from './bits.tsx';

export interface MenuItem {
  readonly key: string;
  readonly label: ReactNode;
  readonly hint?: string;
  readonly onPick: () => void;
  readonly refusal?: string | null;
  readonly checked?: boolean;
}
export type MenuEntry = MenuItem | { readonly key: string; readonly heading: string };

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

export function Menu(props: MenuProps): ReactElement {
  const { entries, label, className, style, rootClassName, title, children } = props;
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return undefined;
    items(root.current)[0]?.focus();
    const outside = (event: PointerEvent): void => {
      if (event.target instanceof Node && root.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener('pointerdown', outside, true);
    return () => document.removeEventListener('pointerdown', outside, true);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div
      className={cx('menu-root', rootClassName)}
      style={style}
      ref={root}
      onKeyDown={(event) => open && onMenuKey(event, root.current, close)}
    >
      <button
        ref={button}
        type="button"
        className={className ?? 'btn'}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={label}
        title={title}
        onClick={() => setOpen(!open)}
      >
        {children}
      </button>
      {open && (
        <div className="menu" role="menu" aria-label={label}>
          {entries.map((entry) =>
            'heading' in entry ? (
              <div className="menu-heading" key={entry.key} role="presentation">
                {entry.heading}
              </div>
            ) : (
              <MenuRow key={entry.key} item={entry} close={close} />
            ),
          )}
        </div>
      )}
    </div>
  );
}

function MenuRow({ item, close }: { readonly item: MenuItem; readonly close: () => void }): ReactElement {
  const off = item.refusal !== undefined && item.refusal !== null;
  return (
    <button
      type="button"
      role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
      aria-checked={item.checked}
      aria-disabled={off || undefined}
      title={item.refusal ?? undefined}
      tabIndex={-1}
      onClick={() => {
        if (off) return;
        close();
        item.onPick();
      }}
    >
      <span className="cut grow">{item.label}</span>
      {item.hint !== undefined && <kbd>{item.hint}</kbd>}
    </button>
  );
}

const items = (root: HTMLElement | null): HTMLButtonElement[] => [
  ...(root?.querySelectorAll<HTMLButtonElement>('.menu button') ?? []),
];

function onMenuKey(event: KeyboardEvent, root: HTMLElement | null, close: () => void): void {
  const all = items(root);
  const at = all.findIndex((item) => item === document.activeElement);
  const go = (index: number): void => {
    event.preventDefault();
    all[(index + all.length) % all.length]?.focus();
  };
  event.stopPropagation();
  if (event.key === 'ArrowDown') go(at + 1);
  else if (event.key === 'ArrowUp') go(at - 1);
  else if (event.key === 'Home') go(0);
  else if (event.key === 'End') go(all.length - 1);
  else if (event.key === 'Escape' || event.key === 'Tab') {
    event.preventDefault();
    close();
  } else if (event.key.length === 1) {
    const next = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((item) =>
      (item.textContent ?? '').toLowerCase().startsWith(event.key.toLowerCase()),
    );
    next?.focus();
  }
}
