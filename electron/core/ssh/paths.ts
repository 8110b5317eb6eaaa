/** Where OpenSSH, agents and password managers keep their things on each system. Pure: everything comes in as arguments. */
import { posix, win32 } from 'node:path';

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface SshPlaces {
  readonly configFile: string;
  readonly systemConfigFile: string;
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  /** In the order in which ssh tries them. */
  readonly identityFiles: readonly string[];
}

/** As ssh(1) and ssh_config(5) list them; DSA keys are gone from OpenSSH and from ssh2. */
const IDENTITIES = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk'];

export const pathsOf = (platform: NodeJS.Platform) => (platform === 'win32' ? win32 : posix);

export function sshPlaces({ platform, home, env }: Machine): SshPlaces {
  const path = pathsOf(platform);
  const own = (name: string) => path.join(home, '.ssh', name);
  // Win32-OpenSSH keeps its system files in %ProgramData%\ssh.
  const system =
    platform === 'win32' ? path.join(env['ProgramData'] ?? 'C:\\ProgramData', 'ssh') : '/etc/ssh';
  return {
    configFile: own('config'),
    systemConfigFile: path.join(system, 'ssh_config'),
    userKnownHostsFiles: [own('known_hosts'), own('known_hosts2')],
    globalKnownHostsFiles: [path.join(system, 'ssh_known_hosts'), path.join(system, 'ssh_known_hosts2')],
    identityFiles: IDENTITIES.map(own),
  };
}

/** The service of Win32-OpenSSH, and of 1Password on Windows. */
export const OPENSSH_AGENT_PIPE = '\\\\.\\pipe\\openssh-ssh-agent';
/** ssh2's word for the Pageant that is reached by window messages (before PuTTY 0.75). */
export const PAGEANT = 'pageant';

/**
 * Agents that may be running although nothing names one: a desktop often starts programs without SSH_AUTH_SOCK.
 * `pipes`: the names in `\\.\pipe\`; PuTTY's Pageant puts a hash that only it can compute after `pageant.USER.`.
 */
export function agentCandidates(machine: Machine, pipes: readonly string[] = []): readonly string[] {
  const { platform, home, env, user } = machine;
  const named = env['SSH_AUTH_SOCK'];
  const fromEnv = named === undefined || named === '' ? [] : [named];
  if (platform === 'win32') {
    const prefix = `pageant.${user}.`.toLowerCase();
    const pageant = pipes.filter((name) => name.toLowerCase().startsWith(prefix));
    return [...fromEnv, OPENSSH_AGENT_PIPE, ...pageant.map((name) => `\\\\.\\pipe\\${name}`)];
  }
  if (platform === 'darwin')
    return [...fromEnv, posix.join(home, 'Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock')];
  const runtime = env['XDG_RUNTIME_DIR'];
  const session = ['ssh-agent.socket', 'openssh_agent', 'gcr/ssh', 'keyring/ssh'];
  return [
    ...fromEnv,
    ...(runtime === undefined || runtime === '' ? [] : session.map((name) => posix.join(runtime, name))),
    posix.join(home, '.1password/agent.sock'),
  ];
}
