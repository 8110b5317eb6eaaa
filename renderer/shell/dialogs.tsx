/** Whatever sheet is open, at most one. */
import type { ReactElement } from 'react';
import { assertNever } from '../../model/errors.ts';
import { useHost } from '../store/fleet.ts';
import { useUi } from '../store/ui.ts';
import { useSample } from '../components/use-sample.ts';
import { PointsDialog } from '../features/charts/points-dialog.tsx';
import { DiagnosticsDialog } from '../features/diagnostics/diagnostics-dialog.tsx';
import { SaveViewDialog } from '../features/fleet/save-view-dialog.tsx';
import { KeysSheet } from '../features/help/keys-sheet.tsx';
import { ConnectDialog } from '../features/hosts/connect-dialog.tsx';
import { RemoveAgentDialog } from '../features/hosts/remove-agent-dialog.tsx';
import { RollBackDialog } from '../features/hosts/roll-back-dialog.tsx';
import { TagsDialog } from '../features/hosts/tags-dialog.tsx';
import { CancelJobDialog } from '../features/jobs/cancel-dialog.tsx';
import { RunDialog } from '../features/jobs/run-dialog.tsx';
import { OverQuotaDialog } from '../features/people/over-quota-dialog.tsx';
import { QuotaDialog } from '../features/people/quota-dialog.tsx';
import { StopDialog } from '../features/processes/stop-dialog.tsx';
import { SettingsSheet } from '../features/settings/settings-sheet.tsx';
import { CourseSheet } from '../features/slices/course-sheet.tsx';
import { CreateSheet } from '../features/slices/create-sheet.tsx';
import { DeleteManyDialog } from '../features/slices/delete-many-dialog.tsx';
import { DeleteDialog, RenameDialog } from '../features/slices/slice-dialogs.tsx';
import { TradeDialog } from '../features/slices/trade-dialog.tsx';
import { UntilDialog } from '../features/slices/until-dialog.tsx';
import { CloseTerminalDialog } from '../features/terminal/close-dialog.tsx';
import { PasteDialog } from '../features/terminal/paste-dialog.tsx';
import { UpdateDialog } from '../features/updates/update-dialog.tsx';

export function Dialogs(): ReactElement | null {
  const dialog = useUi((s) => s.dialog);
  const host = useHost(dialog !== null && 'hostId' in dialog ? dialog.hostId : null);
  const sample = useSample(host?.id ?? null);
  if (dialog === null) return null;
  if (dialog.kind === 'connect') return <ConnectDialog />;
  if (dialog.kind === 'settings') return <SettingsSheet search={dialog.search} />;
  if (dialog.kind === 'save-view') return <SaveViewDialog />;
  if (dialog.kind === 'points') {
    return <PointsDialog title={dialog.title} quantity={dialog.quantity} rows={dialog.rows} />;
  }
  if (dialog.kind === 'keys') return <KeysSheet />;
  if (dialog.kind === 'update') return <UpdateDialog />;
  if (dialog.kind === 'diagnostics') return <DiagnosticsDialog />;
  if (dialog.kind === 'course') return <CourseSheet onHostId={dialog.onHostId} />;
  if (dialog.kind === 'over-quota')
    return <OverQuotaDialog message={dialog.message} answer={dialog.answer} />;
  if (dialog.kind === 'paste-lines') return <PasteDialog {...dialog} />;
  if (dialog.kind === 'until') return <UntilDialog slices={dialog.slices} />;
  if (dialog.kind === 'delete-many') return <DeleteManyDialog slices={dialog.slices} />;
  if (host === null) return null;
  switch (dialog.kind) {
    case 'create': {
      const gpu = host.gpus.find((g) => g.uuid === dialog.gpuUuid);
      return gpu === undefined ? null : (
        <CreateSheet host={host} gpu={gpu} sample={sample} wantedBytes={dialog.memoryLimitBytes ?? null} />
      );
    }
    case 'stop-process':
      return <StopDialog host={host} process={dialog.process} signal={dialog.signal} />;
    case 'remove-agent':
      return <RemoveAgentDialog host={host} sample={sample} />;
    case 'roll-back':
      return <RollBackDialog host={host} version={dialog.version} />;
    case 'quota':
      return <QuotaDialog host={host} subject={dialog.subject} />;
    case 'tags':
      return <TagsDialog host={host} />;
    case 'run-job': {
      const slice = host.slices.find((s) => s.id === dialog.sliceId);
      return slice === undefined ? null : (
        <RunDialog host={host} slice={slice} again={dialog.again ?? null} />
      );
    }
    case 'cancel-job': {
      const job = host.jobs?.jobs.find((one) => one.id === dialog.jobId);
      return job === undefined ? null : <CancelJobDialog host={host} job={job} />;
    }
    case 'close-terminal':
      return <CloseTerminalDialog host={host} terminalId={dialog.terminalId} message={dialog.message} />;
    case 'rename-slice':
    case 'delete-slice':
    case 'trade': {
      const slice = host.slices.find((s) => s.id === dialog.sliceId);
      if (slice === undefined) return null;
      if (dialog.kind === 'rename-slice') return <RenameDialog host={host} slice={slice} />;
      if (dialog.kind === 'trade') return <TradeDialog host={host} slice={slice} />;
      const processes = sample?.processes.filter((process) => process.sliceId === slice.id) ?? [];
      return <DeleteDialog host={host} slice={slice} processes={processes} />;
    }
    default:
      return assertNever(dialog, 'dialog');
  }
}
