/** The log that is open, at most one: read by offset, so that after a lost connection it goes on where it was. */
import { create } from 'zustand';
import type { Failure } from '../../model/errors.ts';
import type { HostId } from '../../model/model.ts';
import { request } from './ask.ts';
import { LogText } from './log-text.ts';

/** How often one that is followed is asked for more. */
const FOLLOW_MS = 700;
/** While the host is away. */
const AWAY_MS = 2000;
/** Of a long log only the end is read; the file and `tranche job log` have the rest. */
const TAIL_BYTES = 256 * 1024;

export interface JobLog {
  readonly hostId: HostId;
  readonly jobId: string;
  readonly lines: readonly string[];
  /** Before the first line shown: bytes that were not read, and lines that were and went. */
  readonly unreadBytes: number;
  readonly droppedLines: number;
  /** No longer kept by the host, between two lines that are shown. */
  readonly skippedBytes: number;
  readonly state: 'reading' | 'following' | 'away' | 'over' | 'failed';
  readonly failure: Failure | null;
}

const useLog = create<{ readonly log: JobLog | null }>(() => ({ log: null }));
export const useJobLog = (): JobLog | null => useLog((s) => s.log);

const AWAY_CODES: ReadonlySet<Failure['code']> = new Set([
  'not-connected',
  'connection-lost',
  'timed-out',
  'cancelled',
  'busy',
]);

/** Reads until told to stop by calling what it returns. */
export function followJobLog(hostId: HostId, jobId: string): () => void {
  const text = new LogText();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let stopped = false;
  let offset: number | null = null;
  let cutFirstLine = false;
  let unreadBytes = 0;
  let skippedBytes = 0;
  const put = (state: JobLog['state'], failure: Failure | null = null): void =>
    useLog.setState({
      log: {
        hostId,
        jobId,
        lines: text.lines,
        unreadBytes,
        droppedLines: text.dropped,
        skippedBytes,
        state,
        failure,
      },
    });
  const again = (ms: number): void => {
    timer = setTimeout(() => void step(), ms);
  };
  /** Asks where the end is, and begins a good piece before it. */
  const begin = (endOffset: number): void => {
    offset = Math.max(0, endOffset - TAIL_BYTES);
    unreadBytes = offset;
    cutFirstLine = offset > 0;
  };
  const take = (data: string): void => {
    if (!cutFirstLine) {
      text.push(data);
      return;
    }
    const newline = data.indexOf('\n');
    if (newline < 0) return;
    cutFirstLine = false;
    text.push(data.slice(newline + 1));
  };
  async function step(): Promise<void> {
    timer = null;
    const result = await request('job:log', { hostId, jobId, offset });
    if (stopped) return;
    if (!result.ok) {
      const away = AWAY_CODES.has(result.error.code);
      put(away ? 'away' : 'failed', result.error);
      if (away) again(AWAY_MS);
      return;
    }
    const part = result.value;
    if (offset === null) {
      begin(part.endOffset);
      again(0);
      return;
    }
    skippedBytes += part.skippedBytes;
    take(part.data);
    offset = part.nextOffset;
    const atEnd = part.nextOffset >= part.endOffset;
    put(!atEnd ? 'reading' : part.over ? 'over' : 'following');
    if (!atEnd && part.data !== '') again(0);
    else if (!part.over || !atEnd) again(FOLLOW_MS);
  }
  put('reading');
  void step();
  return () => {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
    useLog.setState({ log: null });
  };
}
