/** The whole audit as a file: JSON lines as the agent sends them, or CSV. */
import type { HostSnapshot, SliceId } from '../../../model/model.ts';
import { CSV_HEAD, csvRow } from '../../domain/audit-text.ts';
import { fileStamp } from '../../domain/when.ts';
import { sayFailure } from '../../store/ask.ts';
import { wholeAudit } from '../../store/audit.ts';
import { showToast } from '../../store/ui.ts';
import { csvText } from '../../components/csv.ts';
import { saveText } from '../../components/save-file.ts';

/** What file systems of all three kinds take. */
const safe = (name: string): string => name.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60);

export async function exportAudit(
  host: HostSnapshot,
  sliceId: SliceId | null,
  format: 'csv' | 'json',
): Promise<void> {
  const records = await wholeAudit(host.id, sliceId);
  if ('code' in records) {
    sayFailure(records);
    return;
  }
  const slice = host.slices.find((s) => s.id === sliceId);
  const of = sliceId === null ? safe(host.name) : `${safe(host.name)}-${safe(slice?.name ?? sliceId)}`;
  const name = `tranche-audit-${of}-${fileStamp(Date.now())}.${format}`;
  if (format === 'csv') saveText(name, 'text/csv', await csvText(CSV_HEAD, records.map(csvRow)));
  else saveText(name, 'application/json', `${JSON.stringify(records, null, 2)}\n`);
  showToast(`${String(records.length)} edits written to ${name}`);
}
