/** The dialogs of this feature, by the kind that opens them. */
import { OfHost, OfSlice } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { CancelJobDialog } from './cancel-dialog.tsx';
import { RunDialog } from './run-dialog.tsx';

export const jobDialogs = {
  'run-job': (of) => <OfSlice of={of} show={(at) => <RunDialog {...at} again={of.again ?? null} />} />,
  'cancel-job': (of) => (
    <OfHost
      of={of}
      show={({ host }) => {
        const job = host.jobs?.jobs.find(({ id }) => id === of.jobId);
        return job === undefined ? null : <CancelJobDialog host={host} job={job} />;
      }}
    />
  ),
} satisfies DialogParts;
