/** A limit typed instead of pulled: "20g", "20480m" or a bare number of GiB. */
import { useState } from 'react';
import type { CSSProperties, ReactElement } from 'react';
import type { Parsed } from '../../../model/units.ts';
import { gib } from '../../../model/units.ts';
import { cx } from '../../components/bits.tsx';

export interface TypedLimitProps {
  readonly name: string;
  readonly startBytes: number;
  readonly style: CSSProperties;
  readonly atEnd: boolean;
  readonly parse: (typed: string) => Parsed<number>;
  /** Why a value would be refused; null when it would be accepted. */
  readonly check: (bytes: number) => string | null;
  readonly onDone: (bytes: number | null) => void;
}

export function TypedLimit(props: TypedLimitProps): ReactElement {
  const [typed, setTyped] = useState(gib(props.startBytes));
  const parsed = props.parse(typed);
  const problem = parsed.ok ? props.check(parsed.value) : parsed.message;
  return (
    <div className={cx('typed', props.atEnd && 'end')} style={props.style}>
      <input
        autoFocus
        aria-label={`Memory limit of ${props.name}`}
        aria-invalid={problem !== null || undefined}
        value={typed}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={() => props.onDone(null)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Escape') props.onDone(null);
          if (event.key === 'Enter' && parsed.ok && problem === null) props.onDone(parsed.value);
        }}
      />
      <span className={problem === null ? 'two' : 'bad'} role="status">
        {problem ?? 'GiB · Enter sets it'}
      </span>
    </div>
  );
}
