/** What tests of the gate need of the machine, and stand-ins for the driver's devices. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { trancheBin, type Root } from './agent_process.ts';

const doctor = spawnSync(trancheBin, ['doctor', '--json'], {
  encoding: 'utf8',
  env: { ...process.env, TRANCHE_ROOT: '/nonexistent' },
});
/** Whether the kernel lets this machine do it; `tranche doctor` says why not. */
export const isGatePossible = (JSON.parse(doctor.stdout) as readonly { code: string }[]).some(
  ({ code }) => code === 'gate',
);

/** The simulated driver makes the real one's requests of these, and the gate takes them for the driver's devices. */
export function addStandIns(root: Root): void {
  const devices = join(root.path, 'devices');
  mkdirSync(devices);
  symlinkSync('/dev/null', join(devices, 'nvidiactl'));
  for (const name of ['nvidia0', 'nvidia1', 'nvidia-uvm']) symlinkSync('/dev/zero', join(devices, name));
  root.env['TRANCHE_SIM_RM_DEVICES'] = devices;
}
