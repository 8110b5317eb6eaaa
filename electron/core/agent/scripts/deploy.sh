#!/bin/sh
# Uploads into a temporary directory, verifies, makes executable, tries it, renames it into place, turns the link.
# shellcheck disable=SC2154 # header.sh sets what is not set here
# shellcheck disable=SC1010 # a step is "done"

# @header@

umask 022
version='@version@-@arch@'
needed='@kib@'
new=
cleanup() { [ -n "$new" ] && rm -rf "$new"; new=; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM PIPE
why=
place_usable() {
  mkdir -p "$1" 2>/dev/null || { why="$why $1 cannot be created;"; foreign=1; return 1; }
  # A fresh disk may be open to all: one of ours that is empty is closed, and empty still once it is.
  if [ -O "$1" ] && [ ! -L "$1" ] && [ -z "$(ls -A "$1")" ]; then chmod go-w "$1" 2>/dev/null; fi
  safe "$1" || { why="$why $1 can be changed by somebody else;"; foreign=1; return 1; }
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR==2 {print $4}')
  if [ -n "$free" ] && [ "$free" -lt "$needed" ]; then why="$why $1 has only $free KiB free;"; full=1; return 1; fi
  probe="$1/.probe-$nonce"
  printf '#!/bin/sh\nexit 0\n' > "$probe" 2>/dev/null || { why="$why $1 is full or read-only;"; full=1; rm -f "$probe"; return 1; }
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
    { say failed home-not-writable "$state cannot be made or written."; exit 1; }
fi
IFS='
'
for candidate in $places; do
  if place_usable "$candidate"; then place=$candidate; break; fi
done
unset IFS
if [ -z "$place" ] && [ -n "$foreign" ] && [ -z "$TRANCHE_ROOT" ] && [ "$uid" != 0 ]; then
  # Somebody else has taken our name. This one cannot be guessed, and below it nobody else can do anything.
  if ( umask 077 && mkdir "$shared-$nonce" ) 2>/dev/null; then
    if place_usable "$shared-$nonce/bin"; then place="$shared-$nonce/bin"
    else rm -rf "$shared-$nonce"; fi
  else why="$why $shared-$nonce cannot be created;"; fi
fi
if [ -z "$place" ]; then
  if [ -n "$full" ]; then say failed disk-full "$why"; else say failed no-executable-place "$why"; fi
  exit 1
fi
say step probe done "$place"
# What a broken link left behind earlier.
find "$place" -maxdepth 1 \( -name '.new-*' -o -name '.old-*' -o -name '.probe-*' \) -mmin +10 -exec rm -rf {} + 2>/dev/null
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
# @uploads@

rm -f "$new/error"
say step upload done
check() {
  if command -v sha256sum >/dev/null 2>&1; then got=$(sha256sum < "$new/$1"); got=${got%% *}
  else got=$(openssl dgst -sha256 < "$new/$1"); got=${got##* }; fi
  [ "$got" = "$2" ] || { say failed upload-corrupted "$1: sha256 $got"; exit 1; }
}
# @checks@
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
  mv "$final" "$old" && mv "$new" "$final" || { say failed internal "cannot replace $final"; exit 1; }
  rm -rf "$old"
else
  mv "$new" "$final" || { say failed disk-full "cannot rename to $final"; exit 1; }
fi
new=
ln -s "$version" "$place/.current-$nonce" && mv -T "$place/.current-$nonce" "$place/current" 2>/dev/null || {
  rm -f "$place/current" "$place/.current-$nonce"; ln -s "$version" "$place/current"; }
say step activate done "$final"
