import { describe, expect, it } from 'vitest';
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
});
