/** A newer version: what is there, what is being done, and each next step as a question. Closing it stops nothing. */
import type { ReactElement } from 'react';
import { assertNever } from '../../../model/errors.ts';
import type { UpdateAct, UpdateState } from '../../../model/updates.ts';
import { about } from '../../store/ask.ts';
import { closeDialog } from '../../store/ui.ts';
import { actOnUpdate, useUpdates } from '../../store/updates.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';

const MB = 1e6;

interface Words {
  readonly text: string;
  readonly note: string;
  /** The next step, if there is one to decide. */
  readonly next: { readonly act: UpdateAct; readonly label: string } | null;
}

function wordsFor(state: UpdateState, own: string): Words {
  const quiet = (text: string, note = ''): Words => ({ text, note, next: null });
  switch (state.kind) {
    case 'off':
      return quiet('No update feed is set on this machine. Nothing is asked.');
    case 'idle':
    case 'checking':
      return quiet('Asking which version is newest…');
    case 'current':
      return quiet(`Tranche ${own} is the newest.`);
    case 'available':
      return {
        text: `Tranche ${state.version} is there. This is ${own}.`,
        note: `${state.bytes === null ? 'It is' : `Up to ${String(Math.ceil(state.bytes / MB))} MB are`} downloaded and checked; nothing is installed yet.`,
        next: { act: 'download', label: 'Download' },
      };
    case 'downloading':
      return quiet(
        `Downloading Tranche ${state.version}${state.percent === null ? '…' : `: ${String(state.percent)} %`}`,
        'This may be closed; it goes on.',
      );
    case 'ready':
      return {
        text: `Tranche ${state.version} is downloaded and checked.`,
        note: 'Installing closes this window and opens the new one. Slices and what runs in them are not touched. The system may ask for a password.',
        next: { act: 'install', label: 'Install and restart' },
      };
    case 'installing':
      return quiet(`Installing Tranche ${state.version}…`, 'The system may ask for a password.');
    case 'failed':
      return { text: state.message, note: '', next: { act: 'check', label: 'Look again' } };
    default:
      return assertNever(state, 'update');
  }
}

export function UpdateDialog(): ReactElement {
  const { state } = useUpdates();
  const { text, note, next } = wordsFor(state, about().appVersion);
  const go = (): void => (next === null ? closeDialog() : actOnUpdate(next.act));
  return (
    <Dialog
      title="Updates"
      onCancel={closeDialog}
      onSubmit={go}
      actions={
        <>
          <Button onClick={closeDialog} autoFocus>
            {next === null ? 'Close' : 'Not now'}
          </Button>
          {next !== null && (
            <Button kind="primary" onClick={go}>
              {next.label}
            </Button>
          )}
        </>
      }
    >
      <p role="status">{text}</p>
      {state.kind === 'downloading' && (
        <progress aria-label="Downloaded" max={100} value={state.percent ?? undefined} />
      )}
      {note !== '' && <p className="small two">{note}</p>}
      {state.kind === 'failed' && state.detail !== null && (
        <details>
          <summary className="small two">Details</summary>
          <pre className="raw">{state.detail}</pre>
        </details>
      )}
    </Dialog>
  );
}
