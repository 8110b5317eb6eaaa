/** The bundle is shown whole before it is saved: nobody sends what they have not been able to read. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { fileStamp } from '../../domain/when.ts';
import { about } from '../../store/ask.ts';
import { useFleet } from '../../store/fleet.ts';
import { droppedSamples, shownSample } from '../../store/series.ts';
import { useSettings } from '../../store/settings.ts';
import { closeDialog, useUi } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { saveText } from '../../components/save-file.ts';
import { diagnosticsBundle } from './bundle.ts';

function make(): string {
  const { hosts, order } = useFleet.getState();
  const list = order.flatMap((id) => hosts[id] ?? []);
  return diagnosticsBundle({
    ...about(),
    atMs: Date.now(),
    userAgent: navigator.userAgent,
    hosts: list,
    samples: new Map(
      list.flatMap((host) => {
        const sample = shownSample(host.id);
        return sample === null ? [] : [[host.id, sample] as const];
      }),
    ),
    events: useUi.getState().events,
    settings: useSettings.getState(),
    droppedSamples: droppedSamples(),
  });
}

export function DiagnosticsDialog(): ReactElement {
  const [text] = useState(make);
  const save = (): void => {
    saveText(`tranche-diagnostics-${fileStamp(Date.now())}.json`, 'application/json', text);
    closeDialog();
  };
  return (
    <Dialog
      title="Diagnostics"
      wide
      onCancel={closeDialog}
      onSubmit={save}
      actions={
        <>
          <Button onClick={closeDialog}>Cancel</Button>
          <Button kind="primary" onClick={save} autoFocus>
            Save file
          </Button>
        </>
      }
    >
      <p className="small two">
        This is all that is saved; read it before you pass it on. Names of hosts, people and slices,
        addresses, paths, fingerprints and whatever looks like a secret are replaced, commands are left out.
        It is sent nowhere.
      </p>
      <pre className="raw tall" tabIndex={0} aria-label="Contents of the diagnostics file">
        {text}
      </pre>
    </Dialog>
  );
}
