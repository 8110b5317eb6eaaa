/** The keyboard's way to trade with the neighbour: one number, both outcomes shown. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gib, gibWithUnit, parseBytes } from '../../../model/units.ts';
import { neighbourOf, tradeFor } from '../../domain/trade.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { tradeMemory } from '../../acts/trade.ts';

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
    closeDialog();
    void tradeMemory(host, slice, neighbour, trade);
  };
  return (
    <FormDialog
      title={`Trade memory between ${slice.name} and ${neighbour.name}`}
      onCancel={closeDialog}
      verb="Trade"
      onSubmit={submit}
      refusal={problem}
    >
      <TypedField
        label={`New limit of ${slice.name}`}
        unit="GiB"
        value={typed}
        onType={setTyped}
        more={{ 'data-first-focus': true }}
      />
      <Verdict problem={problem}>
        {trade === null
          ? ''
          : `${slice.name}: ${gib(slice.memoryLimitBytes)} → ${gibWithUnit(trade.limitBytes)}. ${neighbour.name}: ${gib(neighbour.memoryLimitBytes)} → ${gibWithUnit(trade.neighbourBytes)}.`}
      </Verdict>
    </FormDialog>
  );
}
