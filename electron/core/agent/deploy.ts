/** Puts the agent on a host: probe, upload to a temporary name, verify, rename, turn the link. Also removes it. */
import { CORE_ERROR_CODES, fail, ok, type CoreErrorCode, type Result } from '../../../model/errors.ts';
import type { DeployProgress, DeployStep } from '../../../model/model.ts';
import type { SshConnection } from '../ssh/shell.ts';
import { architectureOf, loadArtifacts } from './artifacts.ts';
import { newNonce, runScript } from './run-script.ts';
import { deployScript, linkScript, markedLines, removeScript } from './scripts.ts';

/** Lines of its own: a script says about ten. */
const LINES_MAX = 100;
/** About 300 KB over a slow line. */
const DEPLOY_TIMEOUT_MS = 120_000;
const REMOVE_TIMEOUT_MS = 30_000;

export const DEPLOY_STEPS: readonly DeployStep[] = [
  'probe',
  'upload',
  'verify',
  'activate',
  'start',
  'hello',
];

/** `system Linux x86_64` of the attach script, as an answer to "can we be there?". */
export function checkSystem(
  lines: readonly string[],
  hostName: string,
): Result<{ readonly arch: 'x86_64' | 'aarch64' }> {
  const [, system = 'unknown', machine = 'unknown'] =
    lines.find((line) => line.startsWith('system '))?.split(' ') ?? [];
  if (system !== 'Linux')
    return fail(
      'unsupported-system',
      `${hostName} runs ${system}; the agent needs Linux. Nothing was installed.`,
    );
  const arch = architectureOf(machine);
  if (arch === null)
    return fail(
      'unsupported-architecture',
      `${hostName} is a ${machine} machine; agents exist for x86_64 and aarch64. Nothing was installed.`,
    );
  return ok({ arch });
}

const SENTENCES: Readonly<Partial<Record<CoreErrorCode, string>>> = {
  'disk-full': 'has no room for the agent',
  'home-not-writable': 'has no home of yours that can be written, where the agent keeps its slices',
  'no-executable-place': 'has no place of yours where programs may run',
  'upload-corrupted': 'received the agent damaged',
  'shell-unusable': 'lacks the tools to unpack the agent',
  'agent-start-failed': 'cannot run the agent',
};

function deployFailure(line: string, hostName: string): Result<never> {
  const [, code = 'internal', ...rest] = line.split(' ');
  const known = CORE_ERROR_CODES.find((one) => one === code) ?? 'agent-start-failed';
  return fail(
    known,
    `${hostName} ${SENTENCES[known] ?? 'did not take the agent'}: ${rest.join(' ').slice(0, 300)} What was there before is unchanged, and the upload was removed.`,
  );
}

/** `report` gets each step as it begins and ends, up to `activate`; starting and greeting follow in the session. */
export async function deploy(
  connection: SshConnection,
  options: {
    readonly version: string;
    readonly arch: 'x86_64' | 'aarch64';
    readonly artifactsFolder: string;
    readonly report: (progress: DeployProgress) => void;
  },
): Promise<Result<null>> {
  const { version, arch, report } = options;
  const hostName = connection.target.name;
  report({ step: 'probe', state: 'running', detail: null });
  const files = await loadArtifacts(options.artifactsFolder, arch);
  if (!files.ok) return files;
  const nonce = newNonce();
  let pendingText = '';
  const seen: string[] = [];
  const finished = new Set<string>();
  const result = await connection.runScript(deployScript(nonce, version, arch, files.value), {
    timeoutMs: DEPLOY_TIMEOUT_MS,
    onStdout: (text) => {
      const pieces = (pendingText + text).split('\n');
      pendingText = pieces.pop() ?? '';
      for (const line of markedLines(pieces.join('\n'), nonce)) {
        if (seen.length >= LINES_MAX) return;
        seen.push(line);
        const [kind, step, state, ...detail] = line.split(' ');
        if (kind !== 'step' || (state !== 'running' && state !== 'done')) continue;
        if (state === 'done') finished.add(step ?? '');
        report({ step: step as DeployStep, state, detail: detail.length > 0 ? detail.join(' ') : null });
      }
    },
  });
  if (!result.ok) return result;
  const failure = seen.find((line) => line.startsWith('failed '));
  if (failure !== undefined) return deployFailure(failure, hostName);
  if (!finished.has('activate')) {
    return fail(
      'agent-start-failed',
      `${hostName} stopped half-way through the installation (exit code ${String(result.value.code)}). What was there before is unchanged; try again.`,
      `${result.value.stdout.slice(-1000)}\n${result.value.stderr.slice(-1000)}`,
    );
  }
  return ok(null);
}

export async function removeAgent(
  connection: SshConnection,
): Promise<Result<{ readonly removed: readonly string[]; readonly kept: readonly string[] }>> {
  const result = await runScript(connection, removeScript, REMOVE_TIMEOUT_MS);
  if (!result.ok) return result;
  const { lines } = result.value;
  if (!lines.includes('done'))
    return fail(
      'internal',
      `${connection.target.name} did not finish removing the agent. What was removed so far: ${lines.join(', ') || 'nothing'}.`,
      result.value.stderr.slice(-1000),
    );
  const after = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  return ok({ removed: after('removed'), kept: after('kept') });
}

export async function linkCommand(
  connection: SshConnection,
): Promise<Result<{ readonly path: string; readonly worksInShell: boolean }>> {
  const result = await runScript(connection, linkScript, REMOVE_TIMEOUT_MS);
  if (!result.ok) return result;
  const { lines } = result.value;
  const linked = lines.find((line) => line.startsWith('linked '));
  if (linked === undefined)
    return fail(
      'internal',
      `No link was made on ${connection.target.name}: ${lines.join(' ').replace(/^failed internal /, '') || 'the shell did not answer'}. Nothing was changed there.`,
    );
  const worksInShell = lines.some((line) => line.startsWith('proven '));
  return ok({ path: linked.slice('linked '.length), worksInShell });
}
