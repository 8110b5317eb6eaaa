/** A host typed by hand: user@host:port, or any name that `ssh` itself would take. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Failure } from '../../../model/errors.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { request } from '../../store/actions.ts';
import { openDialog, selectHost } from '../../store/ui.ts';

const close = (): void => openDialog(null);

export function ConnectDialog(): ReactElement {
  const [address, setAddress] = useState('');
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    if (address.trim() === '' || busy) return;
    setBusy(true);
    const result = await request('host:add', { address: address.trim() });
    setBusy(false);
    if (!result.ok) {
      setFailure(result.error);
      return;
    }
    selectHost(result.value.hostId);
    close();
  };
  return (
    <Dialog
      title="Connect to a host"
      onCancel={close}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button
            kind="primary"
            onClick={() => void submit()}
            refusal={address.trim() === '' ? 'Type a host first.' : busy ? 'Connecting…' : null}
          >
            Connect
          </Button>
        </>
      }
    >
      <label className="field">
        <span>Host</span>
        <span className="in">
          <input
            data-first-focus
            spellCheck={false}
            autoComplete="off"
            className="mono"
            placeholder="user@host:port"
            value={address}
            onChange={(event) => {
              setAddress(event.target.value);
              setFailure(null);
            }}
          />
        </span>
      </label>
      <p className={`small hold ${failure === null ? 'two' : 'bad'}`} role="status">
        {failure?.message ?? 'Connects as your own ssh would: your config, keys, agent and known hosts.'}
      </p>
    </Dialog>
  );
}
