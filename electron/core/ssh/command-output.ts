/** A command's output and end, the same for both transports: what it printed up to a cap, within a bound. */
import { fail, type Result } from '../../../model/errors.ts';
import type { CommandChannel, CommandResult, RunOptions } from './shell.ts';

/** A command prints at most this much, in UTF-16 units; the rest is dropped and said so. */
const OUTPUT_MAX_CHARS = 1 << 20;
const OMITTED = '\n(more was printed than is kept)\n';
/** Of what stood in stderr, an error carries this much. */
const DETAIL_MAX_CHARS = 2000;

export type Printed = Pick<CommandResult, 'stdout' | 'stderr'>;

/**
 * Settles with what `ended` makes of the output when `channel` says `endEvent`, or with `timed-out` after
 * `options.timeoutMs`, when the channel is destroyed. Never rejects.
 */
export function awaitCommand(
  channel: CommandChannel,
  targetName: string,
  options: RunOptions,
  endEvent: 'close' | 'end',
  ended: (printed: Printed) => Result<CommandResult>,
): Promise<Result<CommandResult>> {
  return new Promise((resolve) => {
    const out = { stdout: '', stderr: '' };
    const collect = (key: keyof Printed) => (text: string) => {
      if (out[key].length < OUTPUT_MAX_CHARS) out[key] += text;
      else if (!out[key].endsWith(OMITTED)) out[key] += OMITTED;
      if (key === 'stdout') options.onStdout?.(text);
    };
    const timer = setTimeout(() => {
      channel.destroy();
      resolve(
        fail(
          'timed-out',
          `A command on ${targetName} did not end within ${String(options.timeoutMs / 1000)} s and was cut off.`,
          detailIn(out),
        ),
      );
    }, options.timeoutMs);
    channel.setEncoding('utf8');
    channel.stderr.setEncoding('utf8');
    channel.on('data', collect('stdout'));
    channel.stderr.on('data', collect('stderr'));
    channel.on('error', () => undefined); // `endEvent` follows and tells
    channel.on(endEvent, () => {
      clearTimeout(timer);
      resolve(ended(out));
    });
  });
}

export const detailIn = (printed: Printed): string => printed.stderr.slice(-DETAIL_MAX_CHARS);
