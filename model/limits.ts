/**
 * Bounds that the agent holds and the window has to know. Each has the name of its macro in agent/src, and
 * test/model/limits.test.ts reads both.
 */
export const PROTOCOL_VERSION = 1;
export const AGENT_LINE_MAX_BYTES = 256 * 1024;
export const REQUEST_LINE_MAX_BYTES = 8 * 1024;

export const MEMORY_LIMIT_MIN_BYTES = 1024 * 1024;
export const SLICES_PER_GPU_MAX = 63;
/** Of a host. */
export const SLICES_MAX = 504;
export const OVERCOMMIT_MAX_PERCENT = 1000;
/** How long an edit can be taken back. */
export const UNDO_LIFE_MS = 600_000;

export const HISTORY_POINTS_MAX = 2000;
export const AUDIT_RECORDS_MAX = 100;
/** Today included. */
export const HOURS_DAYS = 32;
export const PROCESS_ROWS_MAX = 512;

export const QUEUE_SLOTS_MAX = 16;
export const JOB_COMMAND_MAX_BYTES = 4000;
export const JOB_GRACE_MAX_MS = 600_000;
export const JOB_LOG_CHUNK_BYTES = 32 * 1024;
export const ENVIRONMENTS_MAX = 50;

/** Columns or rows. */
export const TERMINAL_SIDE_MAX = 1000;
export const TERMINAL_INPUT_BYTES = 4096;
export const TERMINAL_CHUNK_BYTES = 12 * 1024;
