/** Where the scripts put the agent, run by real shells: only where nobody else can put anything. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  attachScript,
  deployScript,
  linkScript,
  markedLines,
  removeScript,
} from '../../../electron/core/agent/scripts.ts';

/** Nobody's account: the scripts are another user's where root runs the tests. */
const TENANT = 61_003;
const ATTACKER = 61_004;
const isRoot = userInfo().uid === 0;
const uid = isRoot ? TENANT : userInfo().uid;
const NONCE = 'nonce1';

const has = (shell: string): boolean =>
  spawnSync(shell, shell === 'busybox' ? ['sh', '-c', ':'] : ['-c', ':']).status === 0;
type Shell = readonly [command: string, args: readonly string[]];
const SHELLS: readonly Shell[] = [
  ['sh', ['-s']],
  ['bash', ['-s']],
  ['dash', ['-s']],
  ['zsh', ['-s']],
  ['mksh', ['-s']],
  ['busybox', ['sh', '-s']],
  // Login files that ask something take the first lines of what comes.
  ['/bin/sh', ['-c', 'read one; read two; read three; exec /bin/sh -s']],
];
const SH: Shell = ['sh', ['-s']];

let home: string;
const shared: string[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tranche-places-'));
  chmodSync(home, 0o755);
  if (isRoot) chownSync(home, TENANT, TENANT);
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
  for (const name of readdirSync('/var/tmp'))
    if (name.startsWith(`tranche-${String(TENANT)}`)) rmSync(join('/var/tmp', name), { recursive: true });
  for (const path of shared.splice(0)) rmSync(path, { recursive: true, force: true });
});

function run(script: string, env: Record<string, string> = {}, shell = SH) {
  const [command, args] = shell;
  const ran = spawnSync(command, args, {
    input: script,
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
    ...(isRoot ? { uid: TENANT, gid: TENANT } : {}),
  });
  return { ...ran, lines: markedLines(ran.stdout, NONCE) };
}

/** Stands for the agent: says where it runs, and in which language. */
const PROGRAM =
  '#!/bin/sh\n[ "$1" = attach ] && echo "runs $0 in ${LC_ALL-no language}" && env | sort\nexit 0\n';
const files = (['tranche', 'libtranche.so'] as const).map((name) => ({
  name,
  base64: Buffer.from(PROGRAM).toString('base64'),
  sha256: createHash('sha256').update(PROGRAM).digest('hex'),
  bytes: PROGRAM.length,
}));
const deploy = (env: Record<string, string> = {}, shell = SH) =>
  run(deployScript(NONCE, '0.1.0', 'x86_64', files), env, shell);
const placeOf = (lines: readonly string[]): string | undefined =>
  lines.find((line) => line.startsWith('step probe done '))?.slice('step probe done '.length);

/** A home that holds no programs: as with a full or a noexec one, the place in /var/tmp is next. */
const spoilHome = (): void => {
  mkdirSync(join(home, '.local/share'), { recursive: true });
  writeFileSync(join(home, '.local/share/tranche'), '');
  if (isRoot) execFileSync('chown', ['-R', String(TENANT), home]);
};
const fixed = `/var/tmp/tranche-${String(uid)}`;

describe.each(SHELLS.filter(([shell]) => has(shell)))('in %s', (...shell: Shell) => {
  it('installs at home, attaches there in the user’s own language, links and removes', () => {
    const env = { TRANCHE_ROOT: '' };
    const deployed = deploy(env, shell);
    expect(deployed.lines.at(-1)).toMatch(/^step activate done /);
    expect(placeOf(deployed.lines)).toBe(join(home, '.local/share/tranche'));
    const program = join(home, '.local/share/tranche/current/tranche');
    const attach = (language: Record<string, string>) => run(attachScript(NONCE), language, shell).stdout;
    expect(attach({ LANG: 'C.UTF-8' })).toContain(`runs ${program} in no language\n`);
    expect(attach({ LC_ALL: 'de_DE.UTF-8' })).toContain(`runs ${program} in de_DE.UTF-8\n`);
    // Whatever the user's variables are called, they arrive as they were.
    const own = {
      place: 'a',
      version: 'b',
      state: 'c',
      uid: 'd',
      nonce: 'e',
      words: 'f',
      HOME: home,
      LC_ALL: 'x',
    };
    const seen = attach(own).split('\n');
    for (const [name, value] of Object.entries(own)) expect(seen).toContain(`${name}=${value}`);
    const link = join(home, '.local/bin/tranche');
    // Tested in a login shell of the user's, whatever its files print.
    const profile = (path: string): void =>
      writeFileSync(join(home, '.profile'), `echo /not/this\nPATH=${path}\nexport PATH\n`);
    profile('/usr/bin:/bin');
    expect(run(linkScript(NONCE), { SHELL: '/bin/sh' }, shell).lines.slice(1)).toEqual([`linked ${link}`]);
    profile(`${join(home, '.local/bin')}:/usr/bin:/bin`);
    expect(run(linkScript(NONCE), { SHELL: '/bin/sh' }, shell).lines.slice(1)).toEqual([
      `proven ${link}`,
      `linked ${link}`,
    ]);
    expect(run(removeScript(NONCE), {}, shell).lines.at(-1)).toBe('done');
    expect(readdirSync(join(home, '.local/share'))).toEqual([]);
  });
});

describe.skipIf(!isRoot)('in /var/tmp, where anybody may have been before', () => {
  const takenBy = (owner: number, mode: number): void => {
    mkdirSync(fixed);
    chownSync(fixed, owner, owner);
    chmodSync(fixed, mode);
  };

  it.each([
    ['somebody else’s, open to all', ATTACKER, 0o777],
    ['somebody else’s', ATTACKER, 0o755],
    ['ours, open to all', TENANT, 0o777],
    ['ours, open to a group', TENANT, 0o775],
  ])('takes another name where the folder is %s', (_label, owner, mode) => {
    spoilHome();
    takenBy(owner, mode);
    const { lines } = deploy();
    expect(placeOf(lines)).toBe(`${fixed}-${NONCE}/bin`);
    expect(lines.at(-1)).toMatch(/^step activate done /);
    expect(run(attachScript(NONCE)).stdout).toContain(`runs ${fixed}-${NONCE}/bin/current/tranche`);
    expect(run(removeScript(NONCE)).lines).toContain(`removed ${fixed}-${NONCE}`);
  });

  it.each([
    ['to a folder of theirs', () => join(home, 'theirs')],
    ['to a folder of ours', () => join(home, 'ours')],
  ])('does not follow a link %s', (_label, leadsTo) => {
    spoilHome();
    const target = leadsTo();
    mkdirSync(join(target, 'bin'), { recursive: true });
    const owner = target.endsWith('ours') ? TENANT : ATTACKER;
    for (const path of [target, join(target, 'bin')]) chownSync(path, owner, owner);
    symlinkSync(target, fixed);
    expect(placeOf(deploy().lines)).toBe(`${fixed}-${NONCE}/bin`);
  });

  it('runs and removes nothing in a folder that somebody else can exchange', () => {
    spoilHome();
    // As an earlier version left it: made by us in a folder of theirs.
    takenBy(ATTACKER, 0o777);
    const version = join(fixed, 'bin/0.1.0-x86_64');
    mkdirSync(version, { recursive: true });
    writeFileSync(join(version, 'tranche'), PROGRAM, { mode: 0o755 });
    symlinkSync('0.1.0-x86_64', join(fixed, 'bin/current'));
    execFileSync('chown', ['-Rh', String(TENANT), join(fixed, 'bin')]);
    const attached = run(attachScript(NONCE));
    expect(attached.stdout).not.toContain('runs ');
    expect(attached.lines).toEqual(expect.arrayContaining([`unsafe ${fixed}/bin`, 'missing']));
    renameSync(join(fixed, 'bin'), join(fixed, 'his'));
    symlinkSync(home, join(fixed, 'bin'));
    writeFileSync(join(home, 'thesis.tex'), 'x');
    run(removeScript(NONCE));
    expect(existsSync(join(home, 'thesis.tex'))).toBe(true);
  });

  it('takes a home in a folder of somebody else’s only where it is closed itself', () => {
    const open = mkdtempSync('/srv/tranche-open-');
    shared.push(open);
    chmodSync(open, 0o755);
    chownSync(open, ATTACKER, ATTACKER);
    const inside = join(open, 'home');
    mkdirSync(inside);
    chownSync(inside, TENANT, TENANT);
    chmodSync(inside, 0o775);
    expect(placeOf(deploy({ HOME: inside }).lines)).toBe(`${fixed}/bin`);
    rmSync(fixed, { recursive: true });
    chmodSync(inside, 0o755);
    rmSync(join(inside, '.local'), { recursive: true });
    expect(placeOf(deploy({ HOME: inside }).lines)).toBe(join(inside, '.local/share/tranche'));
  });
});

describe('a host that cannot take it says why', () => {
  it.skipIf(!isRoot)('where the home cannot be written', () => {
    chownSync(home, 0, 0);
    const { lines } = deploy();
    expect(lines.at(-1)).toMatch(/^failed home-not-writable .*\.local\/state\/tranche/);
    expect(existsSync(fixed)).toBe(false);
  });

  const withTool = (name: string, text: string): Record<string, string> => {
    const folder = join(home, 'tools');
    mkdirSync(folder);
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    chmodSync(folder, 0o755);
    return { PATH: `${folder}:/usr/bin:/bin` };
  };

  it('where base64 is a broken one, openssl unpacks or the tool is named, and never the disk', () => {
    const { lines } = deploy(withTool('base64', 'echo libcrypto.so.3: version not found >&2; exit 1'));
    if (spawnSync('openssl', ['version']).status === 0) expect(lines.at(-1)).toMatch(/^step activate done /);
    else expect(lines.at(-1)).toMatch(/^failed shell-unusable .*libcrypto/);
  });

  it('where the tool breaks in the middle', () => {
    const breaks = 'if [ "$(cat | wc -c)" -lt 20 ]; then printf tranche; else echo it broke >&2; exit 1; fi';
    expect(deploy(withTool('base64', breaks)).lines.at(-1)).toMatch(
      /^failed shell-unusable unpacking tranche: it broke/,
    );
  });
});
