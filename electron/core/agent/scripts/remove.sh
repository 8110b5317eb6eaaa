#!/bin/sh
# Removes every file of ours; a version that a tenant still maps stays, and is named.
# shellcheck disable=SC2154 # header.sh sets what is not set here
# shellcheck disable=SC1010 # the last word is "done"

# @header@

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
  if [ -n "$TRANCHE_ROOT" ] && [ "${dir#"$TRANCHE_ROOT"}" = "$dir" ]; then continue; fi
  if [ -d "$dir" ] && [ ! -L "$dir" ] && [ -O "$dir" ]; then
    if mapped "$dir"; then say kept "$dir"; else rm -rf "$dir" && removed "$dir"; fi
  fi
done
say done
