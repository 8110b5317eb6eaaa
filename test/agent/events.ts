/** Waiting for what an agent tells its subscribers: the newest event of a kind, once a check holds of it. */
import { sampleEventSchema, stateEventSchema, type SampleEvent } from '../../model/agent-protocol.ts';
import { until, type Client } from './agent_process.ts';

export type State = ReturnType<typeof stateEventSchema.parse>;

export const stateWith = (client: Client, what: string, check: (state: State) => boolean): Promise<State> =>
  until(what, () => {
    const line = client.lines.findLast(({ ev }) => ev === 'state');
    const state = line === undefined ? null : stateEventSchema.parse(line);
    return state !== null && check(state) ? state : null;
  });

export const sampleWith = (client: Client, check: (sample: SampleEvent) => boolean): Promise<SampleEvent> =>
  until('such a sample', () => {
    const line = client.lines.findLast(({ ev }) => ev === 'sample');
    const sample = line === undefined ? null : sampleEventSchema.parse(line);
    return sample !== null && check(sample) ? sample : null;
  });
