/**
 * The shell scripts that run on a host, always as `/bin/sh -s` with the script on stdin, so that the login shell (fish,
 * csh, a restricted one) never parses anything of ours. Values reach a script only through `shellValue`, which admits a
 * safe alphabet and nothing else. Each line meant for us starts with the marker and a nonce; banners are skipped.
 */
import { EMPTY_LINES, SHELL_FREE_CODE } from '../ssh/shell.ts';
import type { AgentFile } from './artifacts.ts';
import { header, shellValue } from './script-header.ts';

/**
 * Becomes the agent's line channel, after naming the versions there; without one, says what kind of host this is.
 * Terminals and jobs start from that channel and have its environment, so all that is set on the way to it, LC_ALL
 * first, is set in a shell of its own, which leaves nothing but a path behind.
 */
export function attachScript(nonce: string): string {
  return `${EMPTY_LINES}exec 3>&1
set -- "$(
${header(nonce, '>&3')}
IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] || continue
  if ! safe "$place"; then say unsafe "$place"; continue; fi
  for version in "$place"/*; do
    if [ ! -L "$version" ] && [ -x "$version/tranche" ]; then say installed "\${version##*/}"; fi
  done
  printf %s "$place/current/tranche"
  exit 0
done
say system "$(uname -s)" "$(uname -m)"
say missing
)"
exec 3>&-
if [ -n "$1" ]; then exec "$1" attach '${shellValue(nonce)}'; fi
exit ${String(SHELL_FREE_CODE)}
`;
}

/** What nvidia-smi says, for the read-only view before anything is installed. */
export function previewScript(nonce: string): string {
  return `${header(nonce)}
smi=$(command -v nvidia-smi || :)
if [ -z "$smi" ] && [ -x /usr/bin/nvidia-smi ]; then smi=/usr/bin/nvidia-smi; fi
if [ -z "$smi" ]; then say note nvidia-smi was not found; exit 0; fi
out=$("$smi" --query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version --format=csv,noheader,nounits 2>&1)
code=$?
printf '%s\\n' "$out" | while IFS= read -r line; do
  if [ $code -eq 0 ]; then say gpu "$line"; else say note "$line"; fi
done
`;
}

/** Uploads into a temporary directory, verifies, makes executable, tries it, renames it into place, turns the link. */
export function deployScript(
  nonce: string,
  version: string,
  arch: string,
  files: readonly AgentFile[],
): string {
  const kib = Math.ceil(files.reduce((sum, file) => sum + file.bytes, 0) / 1024) + 64;
  const uploads = files
    .map(
      (file) => `
decode > "$new/${shellValue(file.name)}" 2>"$new/error" <<'TRANCHE_END_OF_FILE' || broken write ${file.name}
${file.base64}
TRANCHE_END_OF_FILE
`,
    )
    .join('');
  const checks = files
    .map((file) => `check '${shellValue(file.name)}' '${shellValue(file.sha256)}'`)
    .join('\n');
  return `${header(nonce)}
umask 022
version='${shellValue(version)}-${shellValue(arch)}'
new=
cleanup() { [ -n "$new" ] && rm -rf "$new"; new=; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM PIPE
why=
place_usable() {
  mkdir -p "$1" 2>/dev/null || { why="$why $1 can not be created;"; foreign=1; return 1; }
  # A fresh disk may be open to all: one of ours that is empty is closed, and empty still once it is.
  if [ -O "$1" ] && [ ! -L "$1" ] && [ -z "$(ls -A "$1")" ]; then chmod go-w "$1" 2>/dev/null; fi
  safe "$1" || { why="$why $1 can be changed by somebody else;"; foreign=1; return 1; }
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR==2 {print $4}')
  if [ -n "$free" ] && [ "$free" -lt ${String(kib)} ]; then why="$why $1 has only $free KiB free;"; full=1; return 1; fi
  probe="$1/.probe-$nonce"
  printf '#!/bin/sh\\nexit 0\\n' > "$probe" 2>/dev/null || { why="$why $1 is full or read-only;"; full=1; rm -f "$probe"; return 1; }
  chmod 700 "$probe"
  if "$probe" 2>/dev/null; then rm -f "$probe"; return 0; fi
  rm -f "$probe"; why="$why $1 is mounted noexec;"; return 1
}
full=
place=
foreign=
if [ -z "$TRANCHE_ROOT" ]; then
  # Programs alone would fit elsewhere; the slices would not.
  ( umask 077 && mkdir -p "$state" ) 2>/dev/null && [ -w "$state" ] && [ -x "$state" ] ||
    { say failed home-not-writable "$state can not be made or written."; exit 1; }
fi
IFS='
'
for candidate in $places; do
  if place_usable "$candidate"; then place=$candidate; break; fi
done
unset IFS
if [ -z "$place" ] && [ -n "$foreign" ] && [ -z "$TRANCHE_ROOT" ] && [ "$uid" != 0 ]; then
  # Somebody else has taken our name. This one can not be guessed, and below it nobody else can do anything.
  if ( umask 077 && mkdir "$shared-$nonce" ) 2>/dev/null; then
    if place_usable "$shared-$nonce/bin"; then place="$shared-$nonce/bin"
    else rm -rf "$shared-$nonce"; fi
  else why="$why $shared-$nonce can not be created;"; fi
fi
if [ -z "$place" ]; then
  if [ -n "$full" ]; then say failed disk-full "$why"; else say failed no-executable-place "$why"; fi
  exit 1
fi
say step probe done "$place"
# What a broken link left behind earlier.
find "$place" -maxdepth 1 \\( -name '.new-*' -o -name '.old-*' -o -name '.probe-*' \\) -mmin +10 -exec rm -rf {} + 2>/dev/null
new="$place/.new-$nonce"
rm -rf "$new"
mkdir "$new" || { say failed disk-full "$place"; exit 1; }
# A tool that is there may be a broken one, first in PATH: tried before it is believed.
decodes() { [ "$(printf 'dHJhbmNoZQ==\n' | "$@" 2>"$new/error")" = tranche ]; }
if decodes base64 -d; then decode() { base64 -d; }
elif decodes openssl enc -base64 -d; then decode() { openssl enc -base64 -d; }
else say failed shell-unusable "neither base64 nor openssl unpacks anything there: $(tail -n 1 "$new/error" 2>/dev/null)"; exit 1; fi
broken() {
  said=$(tail -n 1 "$new/error" 2>/dev/null)
  # Whether there is room is asked of the disk, not of the tool that failed.
  if dd if=/dev/zero of="$new/room" bs=1024 count=64 2>/dev/null; then say failed shell-unusable "unpacking $2: $said"
  else say failed disk-full "writing $2: $said"; fi
  exit 1
}
say step upload running
${uploads}
rm -f "$new/error"
say step upload done
check() {
  if command -v sha256sum >/dev/null 2>&1; then got=$(sha256sum < "$new/$1"); got=\${got%% *}
  else got=$(openssl dgst -sha256 < "$new/$1"); got=\${got##* }; fi
  [ "$got" = "$2" ] || { say failed upload-corrupted "$1: sha256 $got"; exit 1; }
}
${checks}
say step verify done
chmod 755 "$new" "$new/tranche" "$new/libtranche.so"
"$new/tranche" version >/dev/null 2>"$new.error" || {
  said=$(tail -n 1 "$new.error"); rm -f "$new.error"
  # The file is there and was checked. What is "not found" then is the loader that it names.
  case $said in *[Nn]o" such file"*|*"not found"*|'')
    if ldd /bin/sh 2>&1 | grep -qi musl || ls /lib/ld-musl-* >/dev/null 2>&1; then said="this system has musl, and the agent needs glibc ($said)"
    else said="the loader of glibc (ld-linux) is missing here ($said)"; fi ;;
  esac
  say failed agent-start-failed "$said"; exit 1
}
rm -f "$new.error"
final="$place/$version"
if [ -e "$final" ]; then
  # Tenants may have the old files mapped: they keep their inodes under another name.
  old="$place/.old-$nonce"
  mv "$final" "$old" && mv "$new" "$final" || { say failed internal "can not replace $final"; exit 1; }
  rm -rf "$old"
else
  mv "$new" "$final" || { say failed disk-full "can not rename to $final"; exit 1; }
fi
new=
ln -s "$version" "$place/.current-$nonce" && mv -T "$place/.current-$nonce" "$place/current" 2>/dev/null || {
  rm -f "$place/current" "$place/.current-$nonce"; ln -s "$version" "$place/current"; }
say step activate done "$final"
`;
}

/** Removes every file of ours; a version that a tenant still maps stays, and is named. */
export function removeScript(nonce: string): string {
  return `${header(nonce)}
removed() { say removed "$1"; }
runtime=
jobs=
terminals=
if [ -n "$TRANCHE_ROOT" ]; then runtime="$TRANCHE_ROOT/run"; jobs="$TRANCHE_ROOT/jobs/$uid"; terminals="$TRANCHE_ROOT/terminals/$uid"
elif [ "$uid" = 0 ]; then runtime=/run/tranche; fi
mapped() { cat /proc/[0-9]*/maps 2>/dev/null | grep -qF "$1/"; }
link="$HOME/.local/bin/tranche"
IFS='
'
for place in $places; do
  [ -d "$place" ] || continue
  if ! safe "$place"; then say kept "$place"; continue; fi
  if [ -L "$link" ] && [ "$(readlink "$link")" = "$place/current/tranche" ]; then rm -f "$link" && removed "$link"; fi
  kept=
  for version in "$place"/*; do
    [ -d "$version" ] && [ ! -L "$version" ] || continue
    if mapped "$version"; then say kept "$version"; kept=1; else rm -rf "$version" && removed "$version"; fi
  done
  if [ -z "$kept" ]; then rm -rf "$place" && removed "$place"; fi
done
for dir in "$state" $runtime $jobs $terminals "/dev/shm/tranche-$uid" "/tmp/tranche-$uid" "$shared" "$shared"-*; do
  if [ -n "$TRANCHE_ROOT" ] && [ "\${dir#"$TRANCHE_ROOT"}" = "$dir" ]; then continue; fi
  if [ -d "$dir" ] && [ ! -L "$dir" ] && [ -O "$dir" ]; then
    if mapped "$dir"; then say kept "$dir"; else rm -rf "$dir" && removed "$dir"; fi
  fi
done
say done
`;
}

/** What the version in force says of itself, if there is one. */
export function currentScript(nonce: string): string {
  return `${header(nonce)}
IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  say current "$("$place/current/tranche" version --json | head -n 1)"
  exit 0
done
`;
}

/** What the version in force and another one say of themselves. */
export function versionsScript(nonce: string, folder: string): string {
  return `${header(nonce)}
version='${shellValue(folder)}'
IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  say current "$("$place/current/tranche" version --json | head -n 1)"
  [ -d "$place/$version" ] && [ ! -L "$place/$version" ] && say wanted "$("$place/$version/tranche" version --json | head -n 1)"
  exit 0
done
`;
}

/** Turns the link to another version that is there. What it named before is told, for the way back. */
export function turnScript(nonce: string, folder: string): string {
  return `${header(nonce)}
version='${shellValue(folder)}'
IFS='
'
for place in $places; do
  [ -L "$place/current" ] && safe "$place" && [ -x "$place/$version/tranche" ] && [ -r "$place/$version/libtranche.so" ] || continue
  before=$(readlink "$place/current")
  ln -s "$version" "$place/.current-$nonce" && mv -T "$place/.current-$nonce" "$place/current" || { rm -f "$place/.current-$nonce"; exit 1; }
  say turned "$before"
  exit 0
done
`;
}

/** `~/.local/bin/tranche`, never over somebody else's file. */
export function linkScript(nonce: string): string {
  return `${header(nonce)}
IFS='
'
link="$HOME/.local/bin/tranche"
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  mkdir -p "$HOME/.local/bin" || { say failed internal "can not create $HOME/.local/bin"; exit 1; }
  if [ -e "$link" ] && [ ! -L "$link" ]; then say failed internal "$link exists and is not a link"; exit 1; fi
  ln -sfn "$place/current/tranche" "$link" || { say failed internal "can not write $link"; exit 1; }
  # Whether the user's own login shell finds it: what its files print comes before, and they may take their time.
  bound=; command -v timeout >/dev/null && bound='timeout 15'
  found=$(IFS=' '; $bound "\${SHELL:-/bin/sh}" -l -c 'command -v tranche' </dev/null 2>/dev/null | grep '^/' | tail -n 1)
  [ -n "$found" ] && [ "$found" -ef "$link" ] && say proven "$found"
  say linked "$link"
  exit 0
done
say failed internal "no agent is installed"
`;
}

/** Our lines in a script's output: the words after marker and nonce. */
export function markedLines(output: string, nonce: string): readonly string[] {
  const marker = `@tranche ${nonce} `;
  return output
    .split('\n')
    .filter((line) => line.startsWith(marker))
    .map((line) => line.slice(marker.length).trimEnd());
}
