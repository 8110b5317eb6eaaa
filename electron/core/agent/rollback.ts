/** The way back to a version of the agent that is still on the host: which there are, whether one fits, and the link. */
import { z } from 'zod';
import { PROTOCOL_VERSION } from '../../../model/limits.ts';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { VersionFacts } from '../../../model/model.ts';
import type { SshConnection } from '../ssh/shell.ts';
import { runScript } from './run-script.ts';
import { currentScript, turnScript, versionsScript } from './scripts.ts';

const SCRIPT_TIMEOUT_MS = 15_000;
/** Names of folders come from the host: only what a deployment makes is taken for a version. */
const FOLDER = /^(\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[A-Za-z0-9.]{1,32})?)-(x86_64|aarch64)$/;

const versionSchema = z.object({
  version: z.string().max(64),
  protocol: z.number().int(),
  regionAbi: z.number().int(),
  /** An agent that does not say wrote the first format. */
  stateFormat: z.number().int().default(1),
});
type Version = z.infer<typeof versionSchema>;

const numbersOf = (version: string): readonly number[] =>
  (version.split('-')[0] ?? '').split('.').map((part) => Number(part));

/** Below 0: a comes before b. A pre-release comes before its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let i = 0; i < 3; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(!a.includes('-')) - Number(!b.includes('-'));
}

/** Of the folders that the attach script named: the newest one before the version that runs. */
export function previousVersion(
  marked: readonly string[],
  running: { readonly version: string; readonly arch: string },
): string | null {
  return (
    marked
      .flatMap((line) => {
        const [, version, arch] = FOLDER.exec(line.startsWith('installed ') ? line.slice(10) : '') ?? [];
        return version !== undefined && arch === running.arch && compareVersions(version, running.version) < 0
          ? [{ version, folder: `${version}-${arch}` }]
          : [];
      })
      .sort((a, b) => compareVersions(b.version, a.version))
      .map(({ folder }) => folder)[0] ?? null
  );
}

function parse(lines: readonly string[], word: string): Version | null {
  const line = lines.find((one) => one.startsWith(`${word} `));
  if (line === undefined) return null;
  try {
    return versionSchema.parse(JSON.parse(line.slice(word.length + 1)));
  } catch {
    return null;
  }
}

/** Why there is no way back to it, in a sentence; null when there is one. */
export function rollbackRefusal(wanted: Version, current: Version): string | null {
  if (wanted.protocol !== PROTOCOL_VERSION) {
    return `It speaks protocol ${String(wanted.protocol)} and this app ${String(PROTOCOL_VERSION)}: nothing could be shown any more.`;
  }
  if (wanted.regionAbi !== current.regionAbi) {
    return `It shares memory with programs in layout ${String(wanted.regionAbi)}, and those that run use ${String(current.regionAbi)}: their limits would no longer be held.`;
  }
  if (wanted.stateFormat < current.stateFormat) {
    return `It reads slices in format ${String(wanted.stateFormat)}, and they were written in ${String(current.stateFormat)}: it would start without them.`;
  }
  return null;
}

/**
 * Why this app's version must not take the place of the one in force, in a sentence; null when it may. A newer one is
 * only left by the way back, which looks at what the older one can read. Nothing is changed.
 */
export async function downgradeRefusal(
  connection: SshConnection,
  appVersion: string,
): Promise<Result<string | null>> {
  const result = await runScript(connection, currentScript, SCRIPT_TIMEOUT_MS);
  if (!result.ok) return result;
  const current = parse(result.value.lines, 'current');
  if (current === null || compareVersions(appVersion, current.version) >= 0) return ok(null);
  return ok(
    `${connection.target.name} has agent ${current.version}, and this app brings ${appVersion}, which is older. Nothing was changed; update this app, or go back by Roll back where the older version is still there.`,
  );
}

/** Asks both versions what they are. Nothing is changed. */
export async function checkVersion(connection: SshConnection, folder: string): Promise<Result<VersionFacts>> {
  const hostName = connection.target.name;
  if (!FOLDER.test(folder)) return fail('bad-arguments', `“${folder}” is no version of the agent.`);
  const result = await runScript(connection, (nonce) => versionsScript(nonce, folder), SCRIPT_TIMEOUT_MS);
  if (!result.ok) return result;
  const { lines } = result.value;
  const current = parse(lines, 'current');
  const wanted = parse(lines, 'wanted');
  if (current === null || wanted === null) {
    return fail(
      'agent-start-failed',
      `${current === null ? 'The agent' : folder} on ${hostName} does not say what it is. Nothing was changed.`,
      `${lines.join('\n')}\n${result.value.stderr.slice(-1000)}`,
    );
  }
  const { version, protocol, stateFormat } = wanted;
  return ok({ version, protocol, stateFormat, refusal: rollbackRefusal(wanted, current) });
}

/** Turns the link to another version that is there; answers what it named before. */
export async function turnLink(connection: SshConnection, folder: string): Promise<Result<string>> {
  const hostName = connection.target.name;
  if (!FOLDER.test(folder)) return fail('bad-arguments', `“${folder}” is no version of the agent.`);
  const result = await runScript(connection, (nonce) => turnScript(nonce, folder), SCRIPT_TIMEOUT_MS);
  if (!result.ok) return result;
  const turned = result.value.lines.find((line) => line.startsWith('turned '));
  if (turned !== undefined) return ok(turned.slice('turned '.length));
  return fail(
    'agent-start-failed',
    `${hostName} could not be turned to ${folder}; it stays with the version that it has.`,
    `${result.value.stdout.slice(-500)}\n${result.value.stderr.slice(-500)}`,
  );
}
