/** A labelled box for one typed value: what is typed is kept until it is right or left with Esc. */
import { useEffect, useId, useState } from 'react';
import type { ComponentPropsWithoutRef, ReactElement } from 'react';
import type { Parsed } from '../../model/units.ts';
import { cx } from './bits.tsx';
import { Icon } from './icons.tsx';

export interface FieldProps {
  readonly label: string;
  readonly unit: string;
  /** The value in force, as text. */
  readonly shown: string;
  readonly parse: (typed: string) => Parsed<number>;
  /** Why the value would be refused; null when fine. */
  readonly check: (value: number) => string | null;
  readonly onCommit: (value: number) => void;
  readonly refusal: string | null;
  readonly title?: string;
  /** A name by which commands find it. */
  readonly field?: string;
}

export function LimitField(props: FieldProps): ReactElement {
  const { label, unit, shown, parse, check, onCommit, refusal, title } = props;
  const [typed, setTyped] = useState<string | null>(null);
  const problemId = useId();
  // A new value in force ends what was being typed only if nothing was.
  useEffect(() => setTyped((now) => (now === shown ? null : now)), [shown]);
  const parsed = typed === null ? null : parse(typed);
  const problem = parsed === null ? null : parsed.ok ? check(parsed.value) : parsed.message;
  const commit = (): void => {
    if (typed !== null && typed !== shown && parsed?.ok === true && problem === null) onCommit(parsed.value);
    if (problem === null) setTyped(null);
  };
  return (
    <label className={cx('field', problem !== null && 'is-wrong')} title={refusal ?? title}>
      <span>{label}</span>
      <span className="in">
        <input
          data-field={props.field}
          // Nothing of it is only typed: Undo means the edit that was made with it.
          data-settled={typed === null ? '' : undefined}
          value={typed ?? shown}
          readOnly={refusal !== null}
          aria-invalid={problem !== null || undefined}
          aria-describedby={problem === null ? undefined : problemId}
          onFocus={(event) => event.target.select()}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={commit}
          onKeyDown={(event) => {
            if (event.key === 'Enter') commit();
            if (event.key === 'Escape' && typed !== null) {
              event.stopPropagation();
              setTyped(null);
            }
          }}
        />
        <em>{unit}</em>
      </span>
      {problem !== null && (
        <span className="problem bad" id={problemId} role="status">
          {problem}
        </span>
      )}
    </label>
  );
}

/** One of a few values that are known beforehand, each with its words. */
export function ChoiceField<T extends string>(props: {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, words: string])[];
  readonly onPick: (value: T) => void;
  readonly refusal?: string | null;
}): ReactElement {
  const { label, value, choices, onPick, refusal = null } = props;
  return (
    <label className="field" title={refusal ?? undefined}>
      <span>{label}</span>
      <span className="in select-in">
        <select
          value={value}
          disabled={refusal !== null}
          onChange={(event) => {
            const known = choices.find(([one]) => one === event.target.value);
            if (known !== undefined) onPick(known[0]);
          }}
        >
          {choices.map(([one, words]) => (
            <option key={one} value={one}>
              {words}
            </option>
          ))}
        </select>
        <Icon name="down" />
      </span>
    </label>
  );
}

type BoxInput = ComponentPropsWithoutRef<'input'> & { readonly 'data-first-focus'?: boolean };

/** A box of a sheet that is sent as a whole: what is typed is the sheet's to keep and to judge. */
export function TypedField(props: {
  readonly label: string;
  readonly unit?: string;
  readonly value: string;
  readonly onType: (value: string) => void;
  /** Whether coming into it selects what is there, so that typing replaces it. */
  readonly selects?: boolean;
  readonly more?: BoxInput;
}): ReactElement {
  const { label, unit = '', value, onType, selects = true, more } = props;
  return (
    <label className="field">
      <span>{label}</span>
      <span className="in">
        <input
          value={value}
          onFocus={(event) => {
            if (selects) event.target.select();
          }}
          onChange={(event) => onType(event.target.value)}
          {...more}
        />
        {unit !== '' && <em>{unit}</em>}
      </span>
    </label>
  );
}

/** A box of several lines, for what is written as in a file or a shell. */
export function AreaField(props: {
  readonly label: string;
  readonly value: string;
  readonly onType: (value: string) => void;
  readonly selects?: boolean;
  readonly className?: string;
  readonly more?: ComponentPropsWithoutRef<'textarea'> & { readonly 'data-first-focus'?: boolean };
}): ReactElement {
  const { label, value, onType, selects = false, className, more } = props;
  return (
    <label className={cx('field', className)}>
      <span>{label}</span>
      <span className="in area">
        <textarea
          className="mono"
          rows={3}
          spellCheck={false}
          value={value}
          onFocus={(event) => {
            if (selects) event.target.select();
          }}
          onChange={(event) => onType(event.target.value)}
          {...more}
        />
      </span>
    </label>
  );
}

/** What of a sheet is any text; not what is one of a few words. */
type TextKey<T> = { [K in keyof T]: string extends T[K] ? K : never }[keyof T] & string;

/** Boxes for what is typed in one sheet, by the name under which it is kept. */
export const boxesOf =
  <T extends object>(typed: T, put: (change: Partial<T>) => void) =>
  (label: string, key: TextKey<T>, unit = '', more: BoxInput = {}, selects = true): ReactElement => (
    <TypedField
      label={label}
      unit={unit}
      value={String(typed[key])}
      onType={(value) => put({ [key]: value } as Partial<T>)}
      selects={selects}
      more={more}
    />
  );
