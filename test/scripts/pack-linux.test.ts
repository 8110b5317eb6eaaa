/** What electron-builder asks of fpm, in dpkg's and rpm's words. test/e2e/package.test.ts installs the result. */
import { describe, expect, it } from 'vitest';
import { debControl, parseFpmArguments, rpmSpec } from '../../scripts/pack-linux.mjs';

const ASKED = [
  ['-s', 'dir', '--force', '-t', 'deb', '-d', 'libnss3', '-d', 'a | b', '--deb-recommends', 'libnotify4'],
  ['--deb-compression', 'xz', '--architecture', 'amd64', '--after-install', '/tmp/in', '--after-remove'],
  ['/tmp/out', '--description', 'Cut a GPU\n First.\n\n Second.', '--version', '1.2~rc.1', '--package'],
  ['/r/t.deb', '--name', 'tranche', '--maintainer', 'The authors', '--url', 'https://tranche.invalid/'],
  ['/r/linux-unpacked/=/opt/Tranche', '/r/a=b.png=/usr/share/a=b.png'],
].flat();

describe('what is asked of fpm', () => {
  it('is understood word by word', () => {
    const parsed = parseFpmArguments(ASKED);
    expect(parsed.depends).toEqual(['libnss3', 'a | b']);
    expect(parsed.recommends).toEqual(['libnotify4']);
    expect(parsed.options).toMatchObject({ t: 'deb', version: '1.2~rc.1', name: 'tranche' });
    expect(parsed.inputs[0]).toEqual({ from: '/r/linux-unpacked/', to: '/opt/Tranche' });
  });

  it('is refused where it is not known, instead of left out', () => {
    expect(() => parseFpmArguments([...ASKED, '--deb-systemd', 'x'])).toThrow(/--deb-systemd is not known/);
  });
});

describe('the control file of a deb', () => {
  const control = debControl(parseFpmArguments(ASKED), 1234);

  it('has every field that dpkg and a person want', () => {
    expect(control.split('\n')).toEqual([
      'Package: tranche',
      'Version: 1.2~rc.1',
      'Architecture: amd64',
      'Maintainer: The authors',
      'Installed-Size: 1234',
      'Depends: libnss3, a | b',
      'Recommends: libnotify4',
      'Section: utils',
      'Priority: optional',
      'Description: Cut a GPU',
      ' First.',
      ' .',
      ' Second.',
      '',
    ]);
  });

  it('names a page only where there is one', () => {
    expect(control).not.toContain('Homepage');
    const named = ASKED.map((word) => (word === 'https://tranche.invalid/' ? 'https://example.org/' : word));
    expect(debControl(parseFpmArguments(named), 1)).toContain('\nHomepage: https://example.org/\n');
  });

  it('names the licence only where there is one', () => {
    expect(control).not.toContain('License');
    expect(debControl(parseFpmArguments([...ASKED, '--license', 'Apache-2.0']), 1)).toContain(
      '\nLicense: Apache-2.0\n',
    );
  });

  it('lets no field begin a second one', () => {
    const evil = ASKED.map((word) => (word === 'The authors' ? 'The\nauthors' : word));
    expect(debControl(parseFpmArguments(evil), 1)).toContain('\nMaintainer: The authors\n');
  });
});

describe('the spec of an rpm', () => {
  const asked = ASKED.flatMap((word) =>
    word === '--deb-compression' ? ['--rpm-compression'] : word === 'xz' ? ['gzip'] : [word],
  );
  const spec = rpmSpec(parseFpmArguments(asked), {
    files: ['/opt/Tranche/a b'],
    scripts: { 'post -p /bin/bash': 'x=${y%z}' },
    packed: '/tmp/root',
  });

  it('keeps the script as it was, past the macros of rpm', () => {
    expect(spec).toContain('%post -p /bin/bash\nx=${y%%z}\n');
  });

  it('guesses nothing and strips nothing', () => {
    expect(spec).toContain('AutoReqProv: no');
    expect(spec).toContain('%global __os_install_post %{nil}');
    expect(spec).toContain('%global _binary_payload w1.gzdio');
    expect(spec).toContain('"/opt/Tranche/a b"');
    expect(spec).toContain('Requires: libnss3');
    expect(spec).not.toContain('URL:');
  });

  it('refuses a compression that it does not know', () => {
    const other = parseFpmArguments(asked.map((word) => (word === 'gzip' ? 'lz4' : word)));
    expect(() => rpmSpec(other, { files: [], scripts: {}, packed: '/' })).toThrow(/lz4/);
  });
});
