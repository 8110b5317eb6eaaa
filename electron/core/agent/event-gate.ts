/**
 * What of a host's events is passed on. A host may say what it likes as often as it likes: what is whole (state, jobs,
 * sample) counts by its newest, what happens (notices, records) by a pace, and what contradicts itself not at all.
 */
import { eventSchema, type AgentEvent, type StateEvent } from '../../../model/agent-protocol.ts';
import { Pace } from './pace.ts';

/** Each of these replaces the one before: beyond this pace only the newest is read. An agent sends the first two on change. */
const WHOLE: Readonly<Record<string, { readonly burst: number; readonly perSecond: number }>> = {
  state: { burst: 20, perSecond: 10 },
  jobs: { burst: 20, perSecond: 10 },
  sample: { burst: 20, perSecond: 25 },
};
/** An agent in trouble tells of each process once; nobody reads more than that. */
const NOTICES = { burst: 40, perSecond: 5 };
/** A course gives sixty people a slice in one go, and takes it back. */
const AUDIT = { burst: 500, perSecond: 20 };
const SUMMARY_MS = 1_000;

interface Whole {
  readonly pace: Pace;
  timer: NodeJS.Timeout | null;
  newest: unknown;
}

export class EventGate {
  private readonly hostName: string;
  private readonly hostNowMs: () => number;
  private readonly pass: (event: AgentEvent) => void;
  private readonly whole = new Map<string, Whole>();
  private readonly notices = new Pace(NOTICES.burst, NOTICES.perSecond);
  private readonly audit = new Pace(AUDIT.burst, AUDIT.perSecond);
  private omitted = { notices: 0, records: 0 };
  private summary: NodeJS.Timeout | null = null;
  private revision = -1;
  /** Slices of GPUs that are not there, as told last. */
  private hidden = 0;

  /** `hostNowMs`: the host's clock, in which everything that passes is told. */
  constructor(hostName: string, hostNowMs: () => number, pass: (event: AgentEvent) => void) {
    this.hostName = hostName;
    this.hostNowMs = hostNowMs;
    this.pass = pass;
  }

  /** A parsed line with `ev`. An event that we do not know comes from a newer agent and is ignored (docs/protocol.md). */
  take(value: object): void {
    const { ev } = value as { ev?: unknown };
    const pace = typeof ev === 'string' && Object.hasOwn(WHOLE, ev) ? WHOLE[ev] : undefined;
    if (pace === undefined) this.read(value);
    else this.takeWhole(ev as string, pace, value);
  }

  close(): void {
    for (const { timer } of this.whole.values()) if (timer) clearTimeout(timer);
    this.whole.clear();
    if (this.summary) clearTimeout(this.summary);
    this.summary = null;
  }

  private takeWhole(
    ev: string,
    { burst, perSecond }: { burst: number; perSecond: number },
    value: object,
  ): void {
    const known = this.whole.get(ev) ?? { pace: new Pace(burst, perSecond), timer: null, newest: null };
    this.whole.set(ev, known);
    known.newest = value;
    if (known.timer) return;
    if (known.pace.take(performance.now())) {
      this.read(value);
      return;
    }
    known.timer = setTimeout(() => {
      known.timer = null;
      this.takeWhole(ev, { burst, perSecond }, known.newest as object);
    }, known.pace.waitMs());
  }

  private read(value: object): void {
    const parsed = eventSchema.safeParse(value);
    if (!parsed.success) return;
    const event = parsed.data;
    if (event.ev === 'state') this.passState(event);
    else if (event.ev === 'notice') this.passPaced(event, this.notices, 'notices');
    else if (event.ev === 'audit') this.passPaced(event, this.audit, 'records');
    else this.pass(event);
  }

  /** A revision counts up for as long as an agent runs, and a slice is one of a GPU that is there. */
  private passState(event: StateEvent): void {
    if (event.revision < this.revision) return;
    this.revision = event.revision;
    const gpus = new Set(event.gpus.map(({ uuid }) => uuid));
    const slices = event.slices.filter(({ gpuUuid }) => gpus.has(gpuUuid));
    const hidden = event.slices.length - slices.length;
    this.pass(hidden === 0 ? event : { ...event, slices });
    // A card that was taken out leaves its slices behind: they are kept there, and said to be.
    if (hidden > 0 && hidden !== this.hidden)
      this.say(
        'slices-without-gpu',
        `${this.hostName} keeps ${String(hidden)} slices of a GPU that is not there; they are not shown here, and tranche ls has them.`,
      );
    this.hidden = hidden;
  }

  private say(code: string, message: string): void {
    this.pass({
      ev: 'notice',
      atMs: this.hostNowMs(),
      code,
      sliceId: null,
      gpuUuid: null,
      pid: null,
      message,
    });
  }

  private passPaced(event: AgentEvent, pace: Pace, what: 'notices' | 'records'): void {
    if (pace.take(performance.now())) {
      this.pass(event);
      return;
    }
    this.omitted[what] += 1;
    this.summary ??= setTimeout(() => {
      this.summary = null;
      this.tellOmitted();
    }, SUMMARY_MS);
  }

  private tellOmitted(): void {
    const { notices, records } = this.omitted;
    this.omitted = { notices: 0, records: 0 };
    const what = [
      notices > 0 ? `${String(notices)} notices` : '',
      records > 0 ? `${String(records)} records of edits` : '',
    ].filter((part) => part !== '');
    this.say(
      'notices-omitted',
      `${this.hostName} sent ${what.join(' and ')} more than can be read; they were left out here.`,
    );
  }
}
