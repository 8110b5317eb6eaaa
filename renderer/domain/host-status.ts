/** A connection state in one glyph and a few words. Pure. */
import { assertNever } from '../../model/errors.ts';
import type { ConnectionState } from '../../model/model.ts';
import { duration } from '../../model/units.ts';

export type Glyph = 'live' | 'read' | 'stale' | 'retry' | 'block' | 'demo' | 'off' | 'busy' | 'ask';
export interface HostStatus {
  readonly glyph: Glyph;
  /** null: live needs no word. */
  readonly word: string | null;
  readonly tone: 'plain' | 'warn' | 'bad';
  /** The one thing that helps, right in the row. */
  readonly act: 'retry' | 'compare' | 'answer' | null;
  /** Numbers are old: greyed. */
  readonly old: boolean;
}

const status = (
  glyph: Glyph,
  word: string | null,
  tone: HostStatus['tone'] = 'plain',
  act: HostStatus['act'] = null,
  old = false,
): HostStatus => ({ glyph, word, tone, act, old });

/** `nowMs` is the desktop's clock, `sampleAgeMs` how long ago we received the newest sample. */
export function hostStatus(
  connection: ConnectionState,
  isDemo: boolean,
  nowMs: number,
  sampleAgeMs: number | null,
): HostStatus {
  switch (connection.kind) {
    case 'disconnected':
      return status('off', 'Not connected');
    case 'connecting':
      return status('busy', connection.step === '' ? 'Connecting' : connection.step);
    case 'asking':
      return status('ask', promptWord(connection.prompt.kind), 'plain', 'answer');
    case 'preview':
      return status('read', connection.note === null ? 'Read-only, no agent' : 'No GPU to read');
    case 'deploying':
      return status('busy', 'Installing the agent');
    case 'live':
      if (connection.agent.gpuNote !== null) return status('live', 'No GPU');
      return isDemo ? status('demo', 'Demo, simulated GPUs') : status('live', null);
    case 'stale':
      return status(
        'stale',
        sampleAgeMs === null ? 'Stale' : `Stale, ${duration(sampleAgeMs)} old`,
        'warn',
        null,
        true,
      );
    case 'reconnecting': {
      const wait = connection.nextAttemptAtMs === null ? 0 : connection.nextAttemptAtMs - nowMs;
      const word = wait > 0 ? `Reconnecting in ${String(Math.ceil(wait / 1000))} s` : 'Reconnecting…';
      return status('retry', word, 'warn', 'retry', true);
    }
    case 'blocked':
      return connection.failure.code === 'host-key-revoked'
        ? status('block', 'Host key revoked', 'bad', 'compare')
        : status('block', 'Host key changed', 'bad', 'compare');
    case 'failed':
      return status('block', failedWord(connection.failure.code), 'bad', 'retry', true);
    default:
      return assertNever(connection, 'connection state');
  }
}

function promptWord(kind: 'host-key' | 'password' | 'passphrase' | 'keyboard'): string {
  switch (kind) {
    case 'host-key':
      return 'Unknown host key';
    case 'password':
      return 'Asks for a password';
    case 'passphrase':
      return 'Asks for a passphrase';
    case 'keyboard':
      return 'Asks a question';
    default:
      return assertNever(kind, 'prompt');
  }
}

function failedWord(code: string): string {
  switch (code) {
    case 'authentication-failed':
      return 'Login refused';
    case 'authentication-cancelled':
    case 'cancelled':
      return 'Cancelled';
    case 'host-unreachable':
      return 'Not reachable';
    case 'timed-out':
      return 'No answer';
    case 'agent-version-mismatch':
    case 'protocol-mismatch':
      return 'Agent does not match';
    default:
      return 'Could not connect';
  }
}
