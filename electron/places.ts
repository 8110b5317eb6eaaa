/** Where the app keeps its own files on this computer, and whether the demo lab can run here. Pure. */
import { join } from 'node:path';

export function dataFolder(env: NodeJS.ProcessEnv, home: string, platform: NodeJS.Platform): string {
  const chosen = env['TRANCHE_DATA_DIR'];
  if (chosen !== undefined) return chosen;
  if (platform === 'darwin') return join(home, 'Library/Application Support/Tranche');
  if (platform === 'win32') return join(env['APPDATA'] ?? join(home, 'AppData/Roaming'), 'Tranche');
  return join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'Tranche');
}

export function labUnavailable(
  platform: NodeJS.Platform,
  arch: string,
  simulatorBuilt: boolean,
): string | null {
  if (platform !== 'linux')
    return 'The demo lab needs Linux: its simulated workstations run the real agent, which is a Linux program.';
  if (arch !== 'x64')
    return 'The demo lab needs an x86_64 computer: the simulated driver is built for that alone.';
  return simulatorBuilt ? null : 'The simulated driver is not built here. Run “npm run build:agent”.';
}
