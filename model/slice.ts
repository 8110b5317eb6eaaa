/** A slice: what can be set of it, what it is, what it does. The agent’s half is agent/src/state/slice_settings.def. */
import { z } from 'zod';
import { bytes, count, id, tenths, text, timeMs } from './fields.ts';

export const PRIORITIES = ['idle', 'normal', 'high'] as const;
export type Priority = (typeof PRIORITIES)[number];

/**
 * Which of its programs are held at the kernel’s boundary, where the gate was proved (docs/gate.md): none, those that `run`
 * and jobs start, or the shells of terminals as well.
 */
export const SLICE_GATES = ['off', 'programs', 'shells'] as const;
export type SliceGate = (typeof SLICE_GATES)[number];
/** By what its memory limit is kept. */
export const ENFORCEMENTS = ['kernel', 'gate', 'cooperative'] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

/** What its owner or an operator sets; the lines, the requests, the audit and the types below are made of it. */
export const sliceSettingsSchema = z.object({
  memoryLimitBytes: count,
  computeLimitPercent: count.max(100),
  computeGuaranteePercent: count.max(100),
  priority: z.enum(PRIORITIES),
  gate: z.enum(SLICE_GATES),
  startsAtMs: timeMs.nullable(),
  expiresAtMs: timeMs.nullable(),
});
export type SliceSettings = Readonly<z.infer<typeof sliceSettingsSchema>>;

const SETTING_NAMES = Object.keys(sliceSettingsSchema.shape) as readonly (keyof SliceSettings)[];
/** What is set of a slice, and nothing else of it: to make another one like it. Pure. */
export const settingsOf = (slice: SliceSettings): SliceSettings =>
  Object.fromEntries(SETTING_NAMES.map((name) => [name, slice[name]])) as SliceSettings;

/** Without these nothing is made; of all others the agent has a value for who says none. */
export const MUST_BE_SAID = {
  memoryLimitBytes: true,
  computeLimitPercent: true,
  computeGuaranteePercent: true,
  priority: true,
} as const;
export type NewSliceSettings = Pick<SliceSettings, keyof typeof MUST_BE_SAID> & Partial<SliceSettings>;

export const sliceSchema = sliceSettingsSchema.extend({
  id,
  /** An agent of before there was a gate has none, and a word that we do not know promises nothing. */
  gate: z.enum(SLICE_GATES).catch('off'),
  /** Of programs that are started in it from now on. */
  enforcement: z.enum(ENFORCEMENTS).catch('cooperative'),
  name: text,
  gpuUuid: id,
  /** A shrink below use that takes effect when use drops. */
  pendingMemoryLimitBytes: bytes,
  owner: text,
  ownerUid: count,
  createdAtMs: timeMs,
  revision: count,
  /**
   * Why nothing is admitted although it is open by its times: its owner’s uid is somebody else’s by now. An agent of
   * before does not say.
   */
  suspendedReason: text.nullable().default(null),
});
export type Slice = Readonly<z.infer<typeof sliceSchema>>;

/** As the audit remembers it. */
export const auditSliceSchema = sliceSettingsSchema.extend({
  /** Not in records of before there was one. */
  gate: z.enum(SLICE_GATES).nullable().catch(null),
  ...sliceSchema.pick({ name: true, owner: true }).shape,
  /** Not in records of before slices could move. */
  gpuUuid: id.nullable().default(null),
});
export type AuditSlice = Readonly<z.infer<typeof auditSliceSchema>>;

export const HELD_BY = [
  'nothing',
  'own-limit',
  'higher-priority',
  'guarantee',
  'other-gpu',
  'power',
  'heat',
] as const;
export type HeldBy = (typeof HELD_BY)[number];

export const sliceSampleSchema = z.object({
  id,
  memoryUsedBytes: bytes,
  ledgerBytes: bytes,
  residueBytes: bytes,
  computeUsedTenths: tenths,
  throttledTenths: tenths,
  /** What makes it slower than it could be: a wait first, then a GPU that runs slower for all. */
  heldBy: z.enum(HELD_BY).nullable().catch(null),
  deniedAllocations: bytes,
  deniedBytes: bytes,
  deniedAtMs: timeMs.nullable(),
  limitHeld: z.boolean().nullable(),
  processCount: bytes,
  /** Of these, those that hold memory and are held by no driver and no supervisor. An agent of before does not say. */
  ungatedCount: bytes.default(null),
});
export type SliceSample = Readonly<z.infer<typeof sliceSampleSchema>>;
