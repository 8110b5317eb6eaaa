/** Small parts without state: buttons with a reason when disabled, owner chips, data-only style. */
import type { CSSProperties, ReactElement, ReactNode } from 'react';
import { initials, useOwnerClass } from '../store/owners.ts';

/** Custom properties that carry data; React sets them through the CSSOM, which the CSP allows. */
export const vars = (data: Readonly<Record<`--${string}`, string | number>>): CSSProperties => data;

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onClick: () => void;
  readonly kind?: 'plain' | 'primary' | 'quiet' | 'danger';
  readonly tight?: boolean;
  readonly className?: string;
  readonly label?: string;
  readonly title?: string;
  /** Says why; a disabled control stays focusable so that the reason can be read. */
  readonly refusal?: string | null;
  readonly autoFocus?: boolean;
}

export function Button(props: ButtonProps): ReactElement {
  const {
    children,
    onClick,
    kind = 'plain',
    tight,
    className = '',
    label,
    title,
    refusal,
    autoFocus,
  } = props;
  const off = refusal !== undefined && refusal !== null;
  return (
    <button
      type="button"
      className={`btn ${kind} ${tight === true ? 'tight' : ''} ${className}`}
      aria-label={label}
      title={off ? refusal : title}
      aria-disabled={off || undefined}
      data-first-focus={autoFocus === true || undefined}
      onClick={() => {
        if (!off) onClick();
      }}
    >
      {children}
    </button>
  );
}

export function Chip({ owner }: { readonly owner: string }): ReactElement {
  return (
    <i className="chip" aria-hidden="true">
      {initials(owner)}
    </i>
  );
}

/** An owner's swatch and name. */
export function OwnerTag(props: {
  readonly owner: string | null;
  readonly children: ReactNode;
}): ReactElement {
  const hue = useOwnerClass(props.owner);
  return (
    <span className={`owner-tag ${hue}`}>
      <i className="swatch" aria-hidden="true" />
      {props.children}
    </span>
  );
}

export const cx = (...names: readonly (string | false | null | undefined)[]): string =>
  names.filter((name) => typeof name === 'string' && name !== '').join(' ');
