#!/usr/bin/env node
// Takes fpm's place for electron-builder (CUSTOM_FPM_PATH): the same words, and the system's own dpkg-deb or rpmbuild
// instead of a Ruby that has to be downloaded. What goes in, where it lies and what runs after installation is
// electron-builder's; here it is laid out and handed over. An option of fpm that this does not know is refused, so that
// none is lost in silence.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Options with one value. */
const SINGLE = new Set(
  '-s -t --architecture --after-install --after-remove --description --version --package --name --maintainer'
    .concat(' --vendor --url --license --category --iteration --deb-priority --deb-compression')
    .concat(' --rpm-os --rpm-compression --rpm-summary')
    .split(' '),
);
/** fpm's words for what a dpkg-deb writes; `none` is for tests. */
const DEB_COMPRESSION = { xz: ['-Zxz'], gz: ['-Zgzip', '-z1'], zst: ['-Zzstd'], none: ['-Znone'] };
/** electron-builder says Debian's names. */
const RPM_ARCHITECTURE = { amd64: 'x86_64', arm64: 'aarch64' };
const RPM_COMPRESSION = { xzmt: 'w6T.xzdio', xz: 'w6.xzdio', gzip: 'w1.gzdio', none: 'w0.gzdio' };
/** dpkg-deb and rpmbuild take minutes at most on 250 MB; beyond this they hang. */
const PACK_TIMEOUT_MS = 900_000;

/** `-d X` and `--deb-recommends X` come several times; `FROM=TO` is what goes in. */
export function parseFpmArguments(argv) {
  const parsed = { options: {}, depends: [], recommends: [], inputs: [] };
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at];
    if (word === '--force') continue;
    if (word === '-d') parsed.depends.push(argv[++at]);
    else if (word === '--deb-recommends') parsed.recommends.push(argv[++at]);
    else if (SINGLE.has(word)) parsed.options[word.replace(/^-+/, '')] = argv[++at];
    else if (!word.startsWith('-') && word.includes('='))
      parsed.inputs.push({ from: word.slice(0, word.indexOf('=')), to: word.slice(word.indexOf('=') + 1) });
    else
      throw new Error(
        `fpm's ${word} is not known here. Nothing was written; add it to scripts/pack-linux.mjs.`,
      );
  }
  return parsed;
}

/** RFC 2606 reserves .invalid: electron-builder insists on a homepage, and the project may have none. */
const isPage = (url) => url !== undefined && !new URL(url).hostname.endsWith('.invalid');
const oneLine = (text) => text.replaceAll(/\s+/g, ' ').trim();

/** deb-control(5): a continued line begins with a blank, an empty one is ` .`. */
export function debControl({ options, depends, recommends }, installedKib) {
  const [synopsis = '', ...rest] = options.description.split('\n').map((line) => line.trim());
  return [
    `Package: ${options.name}`,
    `Version: ${options.version}${options.iteration === undefined ? '' : `-${options.iteration}`}`,
    `Architecture: ${options.architecture}`,
    `Maintainer: ${oneLine(options.maintainer)}`,
    `Installed-Size: ${installedKib}`,
    ...(depends.length > 0 ? [`Depends: ${depends.join(', ')}`] : []),
    ...(recommends.length > 0 ? [`Recommends: ${recommends.join(', ')}`] : []),
    // No field of Debian's: fpm writes it, and `dpkg-deb --info` shows it.
    ...(options.license === undefined ? [] : [`License: ${oneLine(options.license)}`]),
    'Section: utils',
    `Priority: ${options['deb-priority'] ?? 'optional'}`,
    ...(isPage(options.url) ? [`Homepage: ${options.url}`] : []),
    `Description: ${synopsis}`,
    ...rest.map((line) => ` ${line === '' ? '.' : line}`),
    '',
  ].join('\n');
}

/** A spec that packs the folder as it is: no stripping, no guessed dependencies, no build-id links. */
export function rpmSpec({ options, depends }, { files, scripts, packed }) {
  const compression = RPM_COMPRESSION[options['rpm-compression'] ?? 'xzmt'];
  if (compression === undefined)
    throw new Error(`rpm compression ${options['rpm-compression']} is not known.`);
  return [
    '%global debug_package %{nil}',
    '%global __os_install_post %{nil}',
    '%global _build_id_links none',
    `%global _binary_payload ${compression}`,
    `Name: ${options.name}`,
    `Version: ${options.version}`,
    `Release: ${options.iteration ?? '1'}`,
    `Summary: ${oneLine(options['rpm-summary'] ?? options.description)}`,
    // A tag that rpm insists on; `unknown` is what fpm writes, too.
    `License: ${oneLine(options.license ?? 'unknown')}`,
    `Vendor: ${oneLine(options.vendor ?? options.maintainer)}`,
    `Packager: ${oneLine(options.maintainer)}`,
    ...(isPage(options.url) ? [`URL: ${options.url}`] : []),
    'AutoReqProv: no',
    ...depends.map((one) => `Requires: ${one}`),
    '%description',
    oneLine(options.description),
    '%install',
    `cp -a '${packed}/.' "%{buildroot}"`,
    '%files',
    '%defattr(-,root,root,-)',
    ...files.map((file) => `"${file}"`),
    // The shell's `${…}` is nothing to rpm, `%` is: doubled, it stays as it is.
    ...Object.entries(scripts).flatMap(([section, text]) => [`%${section}`, text.replaceAll('%', '%%')]),
    '',
  ].join('\n');
}

function* filesBelow(folder, prefix = '') {
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
    const path = `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(folder, path);
    else yield path;
  }
}

function run(command, args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: PACK_TIMEOUT_MS });
  if (error?.code === 'ENOENT') {
    const from = command === 'rpmbuild' ? 'rpm' : 'dpkg';
    // electron-builder looks for this sentence.
    throw new Error(`Need executable '${command}' to convert dir to ${from}: install the package ${from}.`);
  }
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`);
}

/** What goes in, as it will lie on the system, with the rights that everybody needs to read it. */
function layOut(inputs, folder) {
  for (const { from, to } of inputs) {
    const into = join(folder, to);
    mkdirSync(dirname(into), { recursive: true });
    // `FOLDER/=PLACE`: the folder is the place. A file goes to the name that is given.
    cpSync(from, into, { recursive: true, verbatimSymlinks: true });
  }
  let bytes = 0;
  for (const file of filesBelow(folder)) {
    const { mode, size } = lstatSync(join(folder, file));
    bytes += size;
    if ((mode & 0o170000) === 0o100000) chmodSync(join(folder, file), mode & 0o111 ? 0o755 : 0o644);
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) chmodSync(join(entry.parentPath ?? entry.path, entry.name), 0o755);
  chmodSync(folder, 0o755);
  return bytes;
}

function packDeb(parsed, folder, installedBytes) {
  const { options } = parsed;
  const compression = DEB_COMPRESSION[options['deb-compression'] ?? 'xz'];
  if (compression === undefined)
    throw new Error(`deb compression ${options['deb-compression']} is not known.`);
  mkdirSync(join(folder, 'DEBIAN'));
  writeFileSync(join(folder, 'DEBIAN/control'), debControl(parsed, Math.ceil(installedBytes / 1024)));
  for (const [name, from] of [
    ['postinst', options['after-install']],
    ['postrm', options['after-remove']],
  ]) {
    copyFileSync(from, join(folder, 'DEBIAN', name));
    chmodSync(join(folder, 'DEBIAN', name), 0o755);
  }
  run('dpkg-deb', [...compression, '--root-owner-group', '--build', folder, options.package]);
}

function packRpm(parsed, packed, work) {
  const { options } = parsed;
  const script = (name) => readFileSync(options[name], 'utf8');
  // On an upgrade rpm runs the old package's %postun after the new one's %post: only a removal may take things away.
  const scripts = {
    'post -p /bin/bash': script('after-install'),
    'postun -p /bin/bash': `if [ "$1" -gt 0 ]; then exit 0; fi\n${script('after-remove')}`,
  };
  const spec = join(work, 'package.spec');
  writeFileSync(spec, rpmSpec(parsed, { files: [...filesBelow(packed)], scripts, packed }));
  run('rpmbuild', [
    '-bb',
    `--target=${RPM_ARCHITECTURE[options.architecture] ?? options.architecture}-linux`,
    ...['_topdir', '_rpmdir', '_builddir', '_tmppath'].flatMap((name) => ['--define', `${name} ${work}/rpm`]),
    spec,
  ]);
  const [made] = [...filesBelow(join(work, 'rpm'))].filter((file) => file.endsWith('.rpm'));
  if (made === undefined) throw new Error('rpmbuild said that all is well and wrote no package.');
  cpSync(join(work, 'rpm', made), `${options.package}.new`);
  renameSync(`${options.package}.new`, options.package);
}

if (basename(process.argv[1] ?? '') === 'pack-linux.mjs') {
  const work = mkdtempSync(join(tmpdir(), 'tranche-pack-'));
  try {
    const parsed = parseFpmArguments(process.argv.slice(2));
    const packed = join(work, 'root');
    const bytes = layOut(parsed.inputs, packed);
    if (parsed.options.t === 'deb') packDeb(parsed, packed, bytes);
    else if (parsed.options.t === 'rpm') packRpm(parsed, packed, work);
    else throw new Error(`A package of kind ${parsed.options.t} is not made here.`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
