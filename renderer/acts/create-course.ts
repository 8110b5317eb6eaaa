/** A course as it was planned, made: one slice after the other, one Undo for all of them over all hosts. */
import { AGENT_ERROR_CODES } from '../../model/errors.ts';
import type { Failure } from '../../model/errors.ts';
import type { HostId } from '../../model/model.ts';
import { listed } from '../domain/course.ts';
import type { Course, Seat } from '../domain/course.ts';
import { request } from '../store/ask.ts';
import { logEvent, showToast } from '../store/ui.ts';
import type { UndoToken } from '../store/ui.ts';
import { keepUndo } from './edits.ts';

/** How many of those who got none are named in the toast; the details have all. */
const NAMED_MAX = 3;

interface Missed {
  readonly seat: Seat;
  readonly failure: Failure;
}

const slicesOf = (count: number): string => `${String(count)} ${count === 1 ? 'slice' : 'slices'}`;

/** An agent that refuses one person may take the next; a host that does not answer is not waited for again. */
const isRefusal = ({ code }: Failure): boolean => (AGENT_ERROR_CODES as readonly string[]).includes(code);

function missedFailure(course: Course, made: number, missed: readonly Missed[]): Failure | null {
  const [first] = missed;
  if (first === undefined) return null;
  const people = missed.slice(0, NAMED_MAX).map(({ seat }) => seat.person);
  const more = missed.length - people.length;
  const whom = listed(more > 0 ? [...people, `${String(more)} more`] : people);
  const undo = made === 0 ? 'Nothing was changed.' : `Undo takes back the ${slicesOf(made)} that were made.`;
  return {
    code: first.failure.code,
    message: `${String(made)} of ${String(made + missed.length)} slices cut for ${course.name}. None for ${whom}: ${first.failure.message} ${undo} Cut for the course again to add the others: who has a slice keeps it.`,
    detail: missed
      .map(({ seat, failure }) => `${seat.person} on ${seat.host.name}: ${failure.code}: ${failure.message}`)
      .join('\n'),
  };
}

/** Returns how many were made. What is refused is left out, said, and the others are made all the same. */
export async function createCourse(course: Course, seats: readonly Seat[]): Promise<number> {
  showToast(`Cutting ${slicesOf(seats.length)} for ${course.name}…`);
  const tokens: UndoToken[] = [];
  const missed: Missed[] = [];
  const on = new Map<HostId, string>();
  const silent = new Map<HostId, Failure>();
  for (const seat of seats) {
    const { host, gpu, person, sliceName } = seat;
    const gone = silent.get(host.id);
    if (gone !== undefined) {
      missed.push({ seat, failure: gone });
      continue;
    }
    const result = await request('slice:create', {
      hostId: host.id,
      gpuUuid: gpu.uuid,
      name: sliceName,
      owner: person,
      memoryLimitBytes: course.memoryLimitBytes,
      computeLimitPercent: course.computeLimitPercent,
      computeGuaranteePercent: course.computeGuaranteePercent,
      priority: 'normal',
      expiresAtMs: course.expiresAtMs,
    });
    if (result.ok) {
      tokens.unshift({ hostId: host.id, undoToken: result.value.undoToken });
      on.set(host.id, host.name);
    } else {
      missed.push({ seat, failure: result.error });
      if (!isRefusal(result.error)) silent.set(host.id, result.error);
    }
  }
  const made = tokens.length;
  const text = `${slicesOf(made)} cut for ${course.name} on ${listed([...on.values()])}`;
  const undo = made === 0 ? null : keepUndo(text, tokens, { apart: true });
  const failure = missedFailure(course, made, missed);
  showToast(failure?.message ?? text, {
    ...(undo === null ? {} : { undo }),
    ...(failure === null ? {} : { failure }),
  });
  const atMs = Date.now();
  for (const [hostId] of on) logEvent({ hostId, sliceId: null, atMs, tone: 'plain', text });
  for (const { seat, failure: why } of missed) {
    const said = `No slice for ${seat.person} in ${course.name}: ${why.message}`;
    logEvent({ hostId: seat.host.id, sliceId: null, atMs, tone: 'warn', text: said });
  }
  return made;
}
