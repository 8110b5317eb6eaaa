#!/bin/sh
# $1: a private root. Ends all that runs there and removes it, once stdin is closed.
# shellcheck disable=SC2034,SC2086 # ticks are only counted, and pids are words

root=$1
cat > /dev/null
running() { grep -lzsa "^TRANCHE_ROOT=$root/" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n'; }
for signal in TERM KILL KILL KILL; do
  pids=$(running)
  [ -n "$pids" ] || break
  kill -s $signal $pids 2>/dev/null
  for tick in 1 2 3 4 5; do [ -n "$(running)" ] || break; sleep 0.1; done
done
rm -rf "$root"
