/** A box that narrows a list down while one types; Esc empties and leaves it. */
import type { ReactElement, ReactNode } from 'react';
import { Icon } from './icons.tsx';

export function FilterBox(props: {
  /** By which keys find it. */
  readonly id: string;
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onType: (value: string) => void;
  /** At its end. */
  readonly children?: ReactNode;
}): ReactElement {
  const { id, label, placeholder, value, onType, children } = props;
  return (
    <label className="filter">
      <Icon name="find" />
      <input
        id={id}
        placeholder={placeholder}
        aria-label={label}
        value={value}
        onChange={(event) => onType(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          onType('');
          event.currentTarget.blur();
        }}
      />
      {children}
    </label>
  );
}
