import { describe, expect, it } from 'vitest';
import { formatLink, linkInArgv, parseLink } from '../../model/links.ts';

describe('links', () => {
  it.each([
    { hostName: 'hopper', gpuUuid: null, sliceId: null },
    { hostName: 'gauss.math:2222', gpuUuid: 'GPU-1f2e', sliceId: null },
    { hostName: 'a host/with ? odd # name', gpuUuid: 'GPU-1', sliceId: 's-0123' },
  ])('go there and back: $hostName', (place) => {
    expect(parseLink(formatLink(place))).toEqual(place);
  });
  it.each([
    'https://host/hopper',
    'tranche://connect/hopper',
    'tranche://host/',
    'tranche://host/hopper?delete=1',
    'tranche://host/hopper#x',
    'tranche://host/hopper/delete',
    'tranche://host/hopper/gpu',
    'tranche://host/hopper/gpu/',
    'tranche://host/hopper/slice/s-1',
    'tranche://host/hopper/gpu/GPU-1/slice/s-1/delete',
    'tranche://host/hopper/gpu/GPU-1/verb/s-1',
    'tranche://host/%ZZ',
    'tranche://host/a%00b',
    `tranche://host/${'x'.repeat(900)}`,
    'javascript:alert(1)',
    '',
  ])('refuse %j', (text) => expect(parseLink(text)).toBeNull());
  it('are found among the words of a command line', () => {
    expect(linkInArgv(['/usr/bin/tranche', '--flag', 'tranche://host/ada'])).toBe('tranche://host/ada');
    expect(linkInArgv(['/usr/bin/tranche', '--host=ada'])).toBeNull();
  });
});
