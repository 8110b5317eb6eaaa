/** A live host whose link can be pulled and plugged in again, over OpenSSH's server or the embedded one. */
import { startCable, type Cable } from './cable.ts';
import type { CoreHarness } from './core-harness.ts';
import { goLive, startLiveHost } from './live-host.ts';
import { bringLive, type LabServer, type SshLab } from './ssh-lab.ts';

const GIB = 1024 ** 3;
export const HOST = 'ssh:host';

export interface Link {
  readonly harness: CoreHarness;
  readonly root: string;
  readonly pull: () => void;
  readonly plugIn: () => Promise<void>;
}

/** Live over OpenSSH's server, with a cable in between. */
export async function behindCable(
  lab: SshLab,
): Promise<{ readonly harness: CoreHarness; readonly server: LabServer; readonly cable: Cable }> {
  const server = await lab.openssh();
  const cable = await startCable(server.port);
  lab.onEnd(() => {
    cable.stop();
  });
  const harness = await lab.core([{ name: 'host', server, port: cable.port }]);
  await bringLive(harness, HOST);
  return { harness, server, cable };
}

async function overOpenSsh(lab: SshLab): Promise<Link> {
  const { harness, server, cable } = await behindCable(lab);
  return { harness, root: server.root.path, pull: () => cable.pull(), plugIn: () => cable.plugIn() };
}

export async function overEmbedded(lab: SshLab): Promise<Link> {
  const host = await startLiveHost();
  lab.onEnd(() => host.stop());
  await goLive(host);
  return {
    harness: host.harness,
    root: host.root.path,
    pull: () => host.dropAll(),
    plugIn: () => Promise.resolve(),
  };
}

/** A slice of 4 GiB and half the time, ours. Its id. */
export async function makeSlice(harness: CoreHarness): Promise<string> {
  const made = await harness.ask('slice:create', {
    hostId: HOST,
    gpuUuid: harness.host(HOST).gpus[0]?.uuid ?? '',
    name: 'one',
    memoryLimitBytes: 4 * GIB,
    computeLimitPercent: 50,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
    expiresAtMs: null,
  });
  return made.sliceId;
}

export const links = { openssh: overOpenSsh, embedded: overEmbedded };
