/** The dialogs of this feature, by the kind that opens them. */
import { OfHost, OfSlice } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { CourseSheet } from './course-sheet.tsx';
import { CreateSheet } from './create-sheet.tsx';
import { DeleteManyDialog } from './delete-many-dialog.tsx';
import { DeleteDialog, RenameDialog } from './slice-dialogs.tsx';
import { TradeDialog } from './trade-dialog.tsx';
import { UntilDialog } from './until-dialog.tsx';

export const sliceDialogs = {
  create: (of) => (
    <OfHost
      of={of}
      show={({ host, sample }) => {
        const gpu = host.gpus.find(({ uuid }) => uuid === of.gpuUuid);
        return gpu === undefined ? null : (
          <CreateSheet host={host} gpu={gpu} sample={sample} wantedBytes={of.memoryLimitBytes ?? null} />
        );
      }}
    />
  ),
  course: CourseSheet,
  until: UntilDialog,
  'delete-many': DeleteManyDialog,
  'rename-slice': (of) => <OfSlice of={of} show={(at) => <RenameDialog {...at} />} />,
  trade: (of) => <OfSlice of={of} show={(at) => <TradeDialog {...at} />} />,
  'delete-slice': (of) => (
    <OfSlice
      of={of}
      show={({ host, slice, sample }) => (
        <DeleteDialog
          host={host}
          slice={slice}
          processes={sample?.processes.filter((process) => process.sliceId === slice.id) ?? []}
        />
      )}
    />
  ),
} satisfies DialogParts;
