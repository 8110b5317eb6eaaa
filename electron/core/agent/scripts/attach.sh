#!/bin/sh
# Becomes the agent's line channel, after naming the versions there; without one, says what kind of host this is.
# Terminals and jobs start from that channel and have its environment, so all that is set on the way to it, LC_ALL
# first, is set in a shell of its own, which leaves nothing but a path behind.
# shellcheck disable=SC2154 # header.sh sets what is not set here
# shellcheck disable=SC2242 # @free@ becomes a number

exec 3>&1
set -- "$(
# @header@

IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] || continue
  if ! safe "$place"; then say unsafe "$place"; continue; fi
  for version in "$place"/*; do
    if [ ! -L "$version" ] && [ -x "$version/tranche" ]; then say installed "${version##*/}"; fi
  done
  printf %s "$place/current/tranche"
  exit 0
done
say system "$(uname -s)" "$(uname -m)"
say missing
)"
exec 3>&-
if [ -n "$1" ]; then exec "$1" attach '@nonce@'; fi
exit @free@
