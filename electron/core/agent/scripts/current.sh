#!/bin/sh
# What the version in force says of itself, if there is one.
# shellcheck disable=SC2154 # header.sh sets what is not set here

# @header@

IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  say current "$("$place/current/tranche" version --json | head -n 1)"
  exit 0
done
