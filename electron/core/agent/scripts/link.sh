#!/bin/sh
# `~/.local/bin/tranche`, never over somebody else's file.
# shellcheck disable=SC2154 # header.sh sets what is not set here
# shellcheck disable=SC3013 # dash, bash, busybox, ksh and zsh have -ef; in another nothing is proven

# @header@

IFS='
'
link="$HOME/.local/bin/tranche"
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  mkdir -p "$HOME/.local/bin" || { say failed internal "cannot create $HOME/.local/bin"; exit 1; }
  if [ -e "$link" ] && [ ! -L "$link" ]; then say failed internal "$link exists and is not a link"; exit 1; fi
  ln -sfn "$place/current/tranche" "$link" || { say failed internal "cannot write $link"; exit 1; }
  # Whether the user's own login shell finds it: what its files print comes before, and they may take their time.
  bound=; command -v timeout >/dev/null && bound='timeout 15'
  found=$(IFS=' '; $bound "${SHELL:-/bin/sh}" -l -c 'command -v tranche' </dev/null 2>/dev/null | grep '^/' | tail -n 1)
  [ -n "$found" ] && [ "$found" -ef "$link" ] && say proven "$found"
  say linked "$link"
  exit 0
done
say failed internal "no agent is installed"
