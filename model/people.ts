/** People of a host: who they are there, what they may hold, what they changed, what they used. */
import { z } from 'zod';
import { bytes, count, id, text, timeMs } from './fields.ts';
import { auditSliceSchema } from './slice.ts';

export const personSchema = z.object({
  name: text,
  uid: count,
  source: z.enum(['process', 'slice', 'login']),
  /** The subject of the quota that holds for them; null: none does, as far as the agent knows. */
  quota: text.nullable().default(null),
});
export type Person = Readonly<z.infer<typeof personSchema>>;

/** How much one person may hold on a host; null: as much as there is. */
export const quotaSchema = z.object({
  /** A user, `@group` (each of its members) or `default` (everybody else). */
  subject: text,
  memoryBytesMax: bytes,
  slicesMax: count.nullable(),
});
export type Quota = Readonly<z.infer<typeof quotaSchema>>;

/** One edit, made or refused. `before` is null for a slice that was made, `after` for one that was deleted. */
export const auditRecordSchema = z.object({
  seq: count,
  atMs: timeMs,
  action: text,
  refusal: text.nullable(),
  sliceId: id.nullable(),
  sliceName: text.nullable(),
  gpuUuid: id.nullable(),
  uid: count,
  user: text,
  /** What the client said of itself; nobody checked it. */
  claimedFrom: text.nullable(),
  detail: text.nullable(),
  refusalsOmitted: count,
  before: auditSliceSchema.nullable(),
  after: auditSliceSchema.nullable(),
});
export type AuditRecord = Readonly<z.infer<typeof auditRecordSchema>>;

/** What a person’s slices used and held on one host: GPU time, and parts of a GPU’s memory times time. */
export const personHoursSchema = z.object({ name: text, uid: count, usedMs: count, heldMs: count });
export type PersonHours = Readonly<z.infer<typeof personHoursSchema>>;
