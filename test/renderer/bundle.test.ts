import { describe, expect, it } from 'vitest';
import { withoutShapes } from '../../renderer/features/diagnostics/shapes.ts';
import { Redactor, diagnosticsBundle } from '../../renderer/features/diagnostics/bundle.ts';
import { hopper, otherStates } from '../fakes/fake-hosts.ts';

describe('diagnostics', () => {
  const hosts = [hopper(), ...otherStates()];
  const text = diagnosticsBundle({
    atMs: 0,
    appVersion: '0.1.0',
    platform: 'linux',
    transport: 'electron',
    userAgent: 'test',
    hosts,
    samples: new Map(),
    events: [
      {
        id: 1,
        hostId: 'ssh:hopper',
        sliceId: null,
        atMs: 0,
        tone: 'bad',
        text: 'nightly of lab was denied on hopper (10.0.0.7) by /home/mira/train.py, key SHA256:m5pGJb3Xw0f8oYk2Zc0T1yq0Zz8nI9n6Wc3mJt2aB1Q',
        repeatKey: null,
        count: 3,
        firstAtMs: 0,
      },
    ],
    settings: { theme: 'dark' },
    droppedSamples: 4,
  });

  it('names no host, person, slice, address, path or fingerprint', () => {
    const secrets = [
      'hopper',
      'turing',
      'fermi',
      'gauss',
      'mira',
      'lab.example',
      'nightly',
      'resnet',
      '10.0.0.7',
    ];
    for (const secret of [...secrets, '/home', 'known_hosts', 'm5pGJ'])
      expect(text, secret).not.toContain(secret);
  });
  it('keeps what helps: states, versions, sizes, and the same mark for the same name', () => {
    const bundle = JSON.parse(text) as {
      hosts: { name: string; state: string }[];
      events: { text: string }[];
    };
    expect(bundle.hosts.map((host) => host.state)).toEqual([
      'live',
      'stale',
      'reconnecting',
      'preview',
      'live',
      'disconnected',
      'blocked',
      'failed',
    ]);
    expect(bundle.events[0]?.text).toContain(`was denied on ${bundle.hosts[0]?.name ?? '?'} (`);
  });
  it('replaces the longer of two names first', () => {
    const redact = new Redactor();
    redact.add('person', 'tom');
    redact.add('person', 'tomas');
    expect(redact.text('tomas and tom')).toBe('person-2 and person-1');
  });
  it('learns names from where they stand, and from settings', () => {
    const event = (text: string) => ({
      id: 1,
      hostId: 'ssh:x',
      sliceId: null,
      atMs: 0,
      tone: 'bad' as const,
      text,
      repeatKey: null,
      count: 1,
      firstAtMs: 0,
    });
    const out = diagnosticsBundle({
      atMs: 0,
      appVersion: '0.1.0',
      platform: 'linux',
      transport: 'ssh',
      userAgent: 'test',
      hosts: [],
      samples: new Map(),
      events: [
        event('/home/zora/x is missing'),
        event('zora was refused by Hydra'),
        event('login as zora@hydra.lab'),
      ],
      settings: { selectedHost: 'secret-host.lab', byHost: { 'typed:otto@10.0.0.9': 1 } },
      droppedSamples: 0,
    });
    for (const word of ['zora', 'hydra', 'secret-host', 'otto', '10.0.0.9'])
      expect(out.toLowerCase()).not.toContain(word);
  });
});

describe('what is taken out by its shape', () => {
  it.each([
    ['train.py --api-key=sk-live-SECRET123 --password hunter2 -x', ['SECRET123', 'hunter2']],
    ['run --db-pass \'two words\' --token="a b"', ['two words', 'a b']],
    [
      'WANDB_API_KEY=abcdef0123 HF_TOKEN=hf_SECRETSECRET DEBUG=1 python x.py',
      ['abcdef0123', 'hf_SECRET', '=1'],
    ],
    ['mysql -phunter2 -u zora (pid 3) asked 3 GiB', ['hunter2', 'zora']],
    ['Authorization: Bearer abc.def-ghi', ['abc.def']],
    ['{"password": "hunter2"}', ['hunter2']],
    ['jumper.corp.example cannot be resolved', ['jumper', 'corp', 'example']],
    [
      'fe80::1%eth0, 2001:db8:0:0::5, ::1 and 2001:db8:1:2:3:4:5:6 did not answer',
      ['fe80', 'eth0', 'db8', '::'],
    ],
    ['::ffff:10.0.0.7 refused', ['ffff', '10.0']],
    ['MD5:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99', ['aa:bb', '88:99']],
    ['-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXktdjEAAAAA', ['OPENSSH', 'b3Blbn']],
    ['C:\\Users\\zora\\keys\\id and \\\\server\\share\\x', ['zora', 'keys', 'server', 'share']],
    ['postgres://u:p4ss@db/x', ['p4ss', 'db']],
    ['reads ~/.ssh/id_ed25519 and data/zora/run1/train.py', ['ssh', 'id_ed25519', 'zora', 'train']],
    ['token 9f86d081884c7d659a2feaa0c55ad015', ['9f86d0']],
    ['key ZXhhbXBsZVNlY3JldFZhbHVlQUJD', ['ZXhhb']],
  ])('%s', (text, gone) => {
    const out = withoutShapes(text);
    for (const word of gone) expect(out).not.toContain(word);
  });

  it.each([
    'asked 3 GiB for a slice at 14:02:05 and was refused with 12.5 % left at 1.2 GiB/s',
    'Agent 0.1.0 did not answer within 15 s (exit code 127). Nothing was changed; try again.',
    'libnvidia-ml.so.1 was not found, driver 580.159.04',
  ])('and no more than that: %s', (text) => {
    expect(withoutShapes(text)).toBe(text);
  });
});
