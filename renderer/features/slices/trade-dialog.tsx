/** The keyboard's way to trade with the neighbour: one number, both outcomes shown. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { GIB, gib, gibWithUnit, parseBytes } from '../../../model/units.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { openDialog } from '../../store/ui.ts';
import { neighbourOf, tradeFor, tradeMemory } from './trade.ts';

const close = (): void => openDialog(null);

export function TradeDialog(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
}): ReactElement | null {
  const { host, slice } = props;
  const neighbour = neighbourOf(host, slice);
  const [typed, setTyped] = useState(() => gib(slice.memoryLimitBytes + GIB));
  if (neighbour === null) return null;
  const parsed = parseBytes(typed, 'g');
  const trade = parsed.ok ? tradeFor(parsed.value, slice, neighbour) : null;
  const problem = parsed.ok
    ? trade !== null && trade.limitBytes === slice.memoryLimitBytes
      ? 'That changes nothing.'
      : null
    : parsed.message;
  const submit = (): void => {
    if (trade === null || problem !== null) return;
    close();
    void tradeMemory(host, slice, neighbour, trade);
  };
  return (
    <Dialog
      title={`Trade memory between ${slice.name} and ${neighbour.name}`}
      onCancel={close}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" onClick={submit} refusal={problem}>
            Trade
          </Button>
        </>
      }
    >
      <label className="field">
        <span>New limit of {slice.name}</span>
        <span className="in">
          <input
            data-first-focus
            value={typed}
            onFocus={(event) => event.target.select()}
            onChange={(event) => setTyped(event.target.value)}
          />
          <em>GiB</em>
        </span>
      </label>
      <p className={`small hold ${problem === null ? 'two' : 'bad'}`} role="status">
        {problem ??
          (trade === null
            ? ''
            : `${slice.name}: ${gib(slice.memoryLimitBytes)} → ${gibWithUnit(trade.limitBytes)}. ${neighbour.name}: ${gib(neighbour.memoryLimitBytes)} → ${gibWithUnit(trade.neighbourBytes)}.`)}
      </p>
    </Dialog>
  );
}
