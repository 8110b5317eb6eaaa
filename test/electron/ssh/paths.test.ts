import { describe, expect, it } from 'vitest';
import { agentCandidates, sshPlaces, type Machine } from '../../../electron/core/ssh/paths.ts';

const windows: Machine = {
  platform: 'win32',
  home: 'C:\\Users\\Mira',
  user: 'Mira',
  env: { ProgramData: 'D:\\ProgramData' },
};
const mac: Machine = { platform: 'darwin', home: '/Users/mira', user: 'mira', env: {} };
const linux: Machine = {
  platform: 'linux',
  home: '/home/mira',
  user: 'mira',
  env: { XDG_RUNTIME_DIR: '/run/user/1000' },
};

describe('sshPlaces', () => {
  it('is where Win32-OpenSSH keeps its files', () => {
    const places = sshPlaces(windows);
    expect(places).toMatchObject({
      configFile: 'C:\\Users\\Mira\\.ssh\\config',
      systemConfigFile: 'D:\\ProgramData\\ssh\\ssh_config',
      userKnownHostsFiles: ['C:\\Users\\Mira\\.ssh\\known_hosts', 'C:\\Users\\Mira\\.ssh\\known_hosts2'],
      globalKnownHostsFiles: [
        'D:\\ProgramData\\ssh\\ssh_known_hosts',
        'D:\\ProgramData\\ssh\\ssh_known_hosts2',
      ],
    });
    expect(places.identityFiles).toContain('C:\\Users\\Mira\\.ssh\\id_ed25519');
    expect(sshPlaces({ ...windows, env: {} }).systemConfigFile).toBe('C:\\ProgramData\\ssh\\ssh_config');
  });

  it.each([mac, linux])('is where OpenSSH keeps them on $platform', (machine) => {
    expect(sshPlaces(machine)).toMatchObject({
      configFile: `${machine.home}/.ssh/config`,
      systemConfigFile: '/etc/ssh/ssh_config',
      globalKnownHostsFiles: ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
    });
  });
});

describe('agentCandidates', () => {
  it('is OpenSSH’s pipe and this user’s Pageant on Windows', () => {
    const pipes = ['InitShutdown', 'pageant.mira.8f2c', 'pageant.tom.0000', 'openssh-ssh-agent'];
    expect(agentCandidates(windows, pipes)).toEqual([
      '\\\\.\\pipe\\openssh-ssh-agent',
      '\\\\.\\pipe\\pageant.mira.8f2c',
    ]);
    expect(agentCandidates({ ...windows, env: { SSH_AUTH_SOCK: '\\\\.\\pipe\\mine' } })[0]).toBe(
      '\\\\.\\pipe\\mine',
    );
  });

  it('is 1Password’s socket on macOS, after what launchd names', () => {
    const onePassword = '/Users/mira/Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock';
    expect(agentCandidates(mac)).toEqual([onePassword]);
    const launchd = '/private/tmp/com.apple.launchd.x/Listeners';
    expect(agentCandidates({ ...mac, env: { SSH_AUTH_SOCK: launchd } })).toEqual([launchd, onePassword]);
  });

  it('is the session’s on Linux, and 1Password’s', () => {
    expect(agentCandidates(linux)).toEqual([
      '/run/user/1000/ssh-agent.socket',
      '/run/user/1000/openssh_agent',
      '/run/user/1000/gcr/ssh',
      '/run/user/1000/keyring/ssh',
      '/home/mira/.1password/agent.sock',
    ]);
    expect(agentCandidates({ ...linux, env: { SSH_AUTH_SOCK: '' } })).toEqual([
      '/home/mira/.1password/agent.sock',
    ]);
  });
});
