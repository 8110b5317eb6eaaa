/** A request from a page, checked against the contract before anybody acts on it. Pure. */
import type { Result } from '../../model/errors.ts';
import { fail, ok } from '../../model/errors.ts';
import { REQUEST_CHANNELS, requestSchemas } from '../../model/ipc.ts';
import type { RequestChannel } from '../../model/ipc.ts';

export interface ParsedRequest {
  readonly channel: RequestChannel;
  readonly args: unknown;
}

const isChannel = (value: unknown): value is RequestChannel =>
  typeof value === 'string' && (REQUEST_CHANNELS as readonly string[]).includes(value);

export function parseRequest(channel: unknown, args: unknown): Result<ParsedRequest> {
  if (!isChannel(channel))
    return fail('bad-arguments', 'The window asked for something that does not exist.');
  const parsed = requestSchemas[channel].safeParse(args);
  if (!parsed.success) {
    return fail(
      'bad-arguments',
      `The window asked for ${channel} in a way that makes no sense. Nothing was done.`,
      parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
    );
  }
  return ok({ channel, args: parsed.data });
}
