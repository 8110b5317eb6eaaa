/** The hosts of the fake lab: one of each state, with the names and shapes that break layouts. */
import type { Gpu, GpuFault } from '../../model/gpu.ts';
import type { Person } from '../../model/people.ts';
import type { Slice } from '../../model/slice.ts';
import type { AgentInfo, ConnectionState, HostSnapshot } from '../../model/model.ts';
import { NVIDIA } from '../../model/nvidia.ts';
import { VERBS } from '../../model/rights.ts';
import { GIB, MIB } from '../../model/units.ts';

export const NOW = Date.now();
/** In the words of the agent (agent/src/wire/events.c). */
export const SUSPENDED_REASON = 'uid 1000 is not tom any more; assign the slice to somebody to open it again';

export function agent(hostName: string, more: Partial<AgentInfo> = {}): AgentInfo {
  return {
    version: '0.1.0',
    protocol: 1,
    arch: 'x86_64',
    hostName,
    scope: 'user',
    managerUid: 1000,
    managerName: 'mira',
    yourUid: 1000,
    yourName: 'mira',
    verbs: VERBS,
    driver: '580.159.04',
    gpuNote: null,
    simulated: false,
    commandPath: '/home/mira/.local/share/tranche/current/tranche',
    previous: null,
    ...more,
  };
}

export const gpu = (
  host: string,
  index: number,
  name: string,
  mib: number,
  more: Partial<Gpu> = {},
): Gpu => ({
  uuid: `GPU-${host}-${String(index)}`,
  index,
  name,
  capacityBytes: mib * MIB,
  simulated: false,
  computeMode: 'default',
  backend: NVIDIA,
  partitioned: false,
  concurrent: 'off',
  concurrentNote: null,
  faults: [],
  partitions: [],
  ...more,
});

let created = NOW - 86_400_000;
export function slice(
  of: Gpu,
  name: string,
  owner: string,
  gib: number,
  limit: number,
  guarantee = 0,
  more: Partial<Slice> = {},
): Slice {
  created += 60_000;
  return {
    id: `s-${of.uuid}-${name}`,
    name,
    gpuUuid: of.uuid,
    memoryLimitBytes: Math.round(gib * GIB),
    pendingMemoryLimitBytes: null,
    computeLimitPercent: limit,
    computeGuaranteePercent: guarantee,
    priority: 'normal',
    gate: 'programs',
    enforcement: 'cooperative',
    owner,
    ownerUid: 1000,
    createdAtMs: created,
    startsAtMs: null,
    expiresAtMs: null,
    revision: 1,
    suspendedReason: null,
    ...more,
  };
}

const people = (...names: string[]): Person[] =>
  names.map((name, i) => ({ name, uid: 1000 + i, source: 'slice', quota: null }));

export function host(
  name: string,
  connection: ConnectionState,
  gpus: readonly Gpu[] = [],
  slices: readonly Slice[] = [],
  more: Partial<HostSnapshot> = {},
): HostSnapshot {
  return {
    id: `ssh:${name}`,
    name,
    source: 'ssh-config',
    address: `mira@${name}.lab.example:22`,
    connection,
    gpus,
    slices,
    people: people('mira', 'tom', 'wei', 'lab'),
    transport: { choice: 'auto', used: null, reason: null },
    quotas: [],
    memoryOvercommitMaxPercent: null,
    escapes: {
      rule: 'report',
      graceSeconds: 30,
      exempt: '',
      watchedBy: 'fanotify',
      watchNote: null,
    },
    lastSample: null,
    jobs: null,
    ...more,
  };
}

export const live = (name: string, more: Partial<AgentInfo> = {}): ConnectionState => ({
  kind: 'live',
  agent: agent(name, more),
  upgradeTo: null,
});

/** The lab of the drawing: three GPUs, one of them overcommitted, one empty, one throttled and denied. */
export function hopper(): HostSnapshot {
  const h100 = gpu('hopper', 0, 'NVIDIA H100 PCIe 80GB', 81559);
  const rtx = gpu('hopper', 1, 'NVIDIA GeForce RTX 4090', 24564);
  const a6000 = gpu('hopper', 2, 'NVIDIA RTX A6000', 49140);
  return host(
    'hopper',
    live('hopper', { previous: '0.0.9-x86_64' }),
    [h100, rtx, a6000],
    [
      slice(h100, 'resnet-sweep', 'mira', 32, 40, 20),
      slice(h100, 'serve-7b', 'tom', 20, 30, 10),
      slice(h100, 'nb-wei', 'wei', 8, 10),
      slice(h100, 'embed', 'tom', 24, 15),
      slice(a6000, 'nightly', 'lab', 24, 25, 20),
      slice(a6000, 'finetune', 'wei', 16, 60, 40),
    ],
  );
}

/** The lab with quotas: mira near hers, tom beyond that of his group, wei counted in slices, lab under the default. */
export function quoted(): HostSnapshot {
  const lab = hopper();
  return {
    ...lab,
    people: lab.people.map((p) => ({ ...p, quota: p.name === 'tom' ? '@phd-students' : null })),
    quotas: [
      { subject: 'default', memoryBytesMax: 64 * GIB, slicesMax: null },
      { subject: '@phd-students', memoryBytesMax: 40 * GIB, slicesMax: 3 },
      { subject: 'mira', memoryBytesMax: 33 * GIB, slicesMax: 2 },
      { subject: 'wei', memoryBytesMax: null, slicesMax: 3 },
    ],
  };
}

/** The lab with a gate that was proved: one slice’s is off, and of another one process is not behind it. */
export function gatedLab(): HostSnapshot {
  const lab = hopper();
  const backend = {
    ...NVIDIA,
    can: [...NVIDIA.can, 'gate' as const],
    driver: '580.159.04',
    gate: 'proved' as const,
    gateNote: 'A context of 520 MiB was seen.',
  };
  const isOff = (s: Slice): boolean => s.name === 'embed';
  return {
    ...lab,
    gpus: lab.gpus.map((g) => ({ ...g, backend })),
    slices: lab.slices.map((s) => ({
      ...s,
      gate: isOff(s) ? 'off' : s.name === 'serve-7b' ? 'shells' : 'programs',
      enforcement: isOff(s) ? 'cooperative' : 'gate',
    })),
  };
}

const cutByMig: Partial<Gpu> = {
  partitioned: true,
  partitions: [6, 12].map((gib, i) => ({
    uuid: `MIG-51000000-0000-4000-8000-00000000000${String(i)}`,
    name: `NVIDIA GeForce RTX 4090 MIG ${String(i + 1)}g.${String(gib)}gb`,
    capacityBytes: gib * GIB,
  })),
};

/**
 * The lab with errors of the driver: one of the hardware, one of a program in a loop, one that nobody explains; and with
 * a slice whose owner's uid is somebody else's by now.
 */
export function faulty(): HostSnapshot {
  const lab = hopper();
  const hour = 3_600_000;
  const fault = (code: number, kind: GpuFault['kind'], text: string, atMs: number, count = 1): GpuFault => ({
    source: 'XID',
    code,
    kind,
    text,
    count,
    firstAtMs: atMs - (count - 1) * 30_000,
    atMs,
  });
  return {
    ...lab,
    slices: lab.slices.map((s) => (s.name === 'embed' ? { ...s, suspendedReason: SUSPENDED_REASON } : s)),
    gpus: lab.gpus.map((g) =>
      g.index !== 2
        ? { ...g, faults: g.index === 1 ? null : [], ...(g.index === 1 ? cutByMig : {}) }
        : {
            ...g,
            faults: [
              fault(
                13,
                'program',
                'A kernel did what the GPU does not allow, mostly an access outside of its arrays; its program ends, the GPU goes on.',
                NOW - hour / 30,
                14,
              ),
              fault(
                94,
                'hardware',
                'A memory error that cannot be corrected hit one program, which ends; the others go on. Reset the GPU when they are done.',
                NOW - 3 * hour,
              ),
              fault(
                171,
                'other',
                "NVIDIA's list says what it means: https://docs.nvidia.com/deploy/xid-errors/",
                NOW - 70 * hour,
              ),
            ],
          },
    ),
  };
}

export function ada(): HostSnapshot {
  const a = gpu('ada', 0, 'NVIDIA L40S', 46068);
  const b = gpu('ada', 1, 'NVIDIA L40S', 46068);
  return host(
    'ada',
    { kind: 'live', agent: agent('ada', { version: '0.0.9' }), upgradeTo: '0.1.0' },
    [a, b],
    [
      slice(a, 'ada-eval', 'tom', 44.5, 100),
      slice(b, 'wei-2', 'wei', 20, 50),
      slice(b, 'mira-3', 'mira', 12, 50, 0, { pendingMemoryLimitBytes: 4 * GIB }),
    ],
    {
      transport: {
        choice: 'auto',
        used: 'system',
        reason: '/home/mira/.ssh/id_ed25519_sk is on a security key (FIDO)',
      },
    },
  );
}

/** Forty slices on one GPU, long and right-to-left names, compute limits far above 100 %. */
export function crowded(): HostSnapshot {
  const big = gpu('crowd', 0, 'NVIDIA H200 NVL with a very long marketing name and more words', 143771);
  const small = gpu('crowd', 1, 'NVIDIA T4', 15360, { partitioned: true, computeMode: 'exclusive process' });
  const slices = Array.from({ length: 40 }, (_, i) =>
    slice(big, `job-${String(i)}`, `student${String(i % 13)}`, i % 7 === 0 ? 8 : 2, 10),
  );
  return host(
    'workstation-with-a-very-long-name-in-the-basement.cs.uni.example',
    live('crowd', { managerName: 'an-administrator-with-a-long-name', verbs: ['look'], yourName: 'tom' }),
    [big, small],
    [
      ...slices,
      slice(small, 'abcdefghijklmnopqrstuvwxyz-0123456789-abc', 'إبراهيم', 6, 60),
      slice(small, '<b>bold</b>', '‮evil‬', 6, 80),
      slice(small, 'third', 'student3', 8, 50),
      slice(small, 'fourth-all-over', 'student4', 10, 50),
    ],
    { id: 'ssh:crowd' },
  );
}

const lost = {
  code: 'connection-lost',
  message: 'The connection to lovelace was lost: no answer to keepalives for 15 s.',
  detail: 'read ECONNRESET\nlevel: client-timeout',
} as const;

export function otherStates(): HostSnapshot[] {
  const turing = gpu('turing', 0, 'NVIDIA TITAN RTX', 24220);
  return [
    host(
      'turing',
      { kind: 'stale', agent: agent('turing'), lastSampleAtMs: NOW - 14_000 },
      [turing],
      [slice(turing, 'turing-1', 'lab', 18, 80)],
    ),
    host('lovelace', { kind: 'reconnecting', attempt: 3, nextAttemptAtMs: NOW + 40_000, failure: lost }),
    host('kepler', {
      kind: 'preview',
      tool: 'nvidia-smi',
      asOfMs: NOW,
      driver: '550.127.05',
      note: null,
      canDeploy: true,
      gpus: [
        {
          index: 0,
          uuid: 'GPU-kepler-0',
          name: 'NVIDIA GeForce RTX 3090',
          capacityBytes: 24 * GIB,
          memoryUsedBytes: 2.2 * GIB,
          utilizationPercent: 7,
          temperatureC: 41,
        },
        {
          index: 1,
          uuid: 'GPU-kepler-1',
          name: 'NVIDIA GeForce RTX 3090',
          capacityBytes: 24 * GIB,
          memoryUsedBytes: 21.4 * GIB,
          utilizationPercent: null,
          temperatureC: null,
        },
      ],
    }),
    host(
      'noether',
      live('noether', { gpuNote: 'no NVIDIA driver: libnvidia-ml.so.1 was not found on noether.' }),
    ),
    host('hilbert', { kind: 'disconnected' }),
    host(
      'fermi.cs',
      {
        kind: 'blocked',
        failure: {
          code: 'host-key-changed',
          message: 'fermi.cs offers another host key than the one you know it by. Nothing was sent.',
          detail: null,
        },
        knownFingerprint: 'SHA256:m5pGJb3Xw0f8oYk2Zc0T1yq0Zz8nI9n6Wc3mJt2aB1Q',
        offeredFingerprint: 'SHA256:Yt0c2Fh4vJ1r7kQ9pLw8uE3sN6xD5bG2aV7hM0oCzRk',
        knownHostsFile: '/home/mira/.ssh/known_hosts',
        knownHostsLine: 42,
      },
      [],
      [],
      { source: 'typed', id: 'typed:mira@fermi.cs:22' },
    ),
    host(
      'gauss.math:2222',
      {
        kind: 'failed',
        failure: {
          code: 'authentication-failed',
          message:
            'gauss.math refused the login as mira: it offers publickey only, and none of your 2 keys was accepted. Nothing was changed there.',
          detail: 'publickey: ~/.ssh/id_ed25519 refused\npublickey: ~/.ssh/id_rsa refused',
        },
      },
      [],
      [],
      { source: 'typed', id: 'typed:mira@gauss.math:2222' },
    ),
  ];
}

/** What a lab may grow to: 20 hosts of 8 GPUs with 10 slices each. */
export function manyHosts(): HostSnapshot[] {
  return Array.from({ length: 20 }, (_, h) => {
    const name = `node-${String(h).padStart(2, '0')}`;
    const gpus = Array.from({ length: 8 }, (_, g) => gpu(name, g, 'NVIDIA A100-SXM4-80GB', 81920));
    const slices = gpus.flatMap((of, g) =>
      Array.from({ length: 10 }, (_, s) =>
        slice(of, `n${String(h)}-${String(g)}-${String(s)}`, `student${String((h + s) % 24)}`, 7, 10),
      ),
    );
    return host(name, live(name), gpus, slices);
  });
}
