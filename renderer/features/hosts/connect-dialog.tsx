/** A host typed by hand: user@host:port, or any name that `ssh` itself would take. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Failure } from '../../../model/errors.ts';
import { request } from '../../store/ask.ts';
import { closeDialog, selectHost } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';

export function ConnectDialog(): ReactElement {
  const [address, setAddress] = useState('');
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    const result = await request('host:add', { address: address.trim() });
    setBusy(false);
    if (!result.ok) {
      setFailure(result.error);
      return;
    }
    selectHost(result.value.hostId);
    closeDialog();
  };
  return (
    <FormDialog
      title="Connect to a host"
      onCancel={closeDialog}
      verb="Connect"
      onSubmit={() => void submit()}
      refusal={address.trim() === '' ? 'Type a host first.' : busy ? 'Connecting…' : null}
    >
      <TypedField
        label="Host"
        value={address}
        onType={(typed) => {
          setAddress(typed);
          setFailure(null);
        }}
        selects={false}
        more={{
          'data-first-focus': true,
          spellCheck: false,
          autoComplete: 'off',
          className: 'mono',
          placeholder: 'user@host:port',
        }}
      />
      <Verdict problem={failure?.message ?? null}>
        Connects as your own ssh would: your config, keys, agent and known hosts.
      </Verdict>
    </FormDialog>
  );
}
