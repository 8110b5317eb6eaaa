#!/bin/sh
# What the version in force and another one say of themselves.
# shellcheck disable=SC2154 # header.sh sets what is not set here

# @header@

version='@folder@'
IFS='
'
for place in $places; do
  [ -x "$place/current/tranche" ] && safe "$place" || continue
  say current "$("$place/current/tranche" version --json | head -n 1)"
  [ -d "$place/$version" ] && [ ! -L "$place/$version" ] && say wanted "$("$place/$version/tranche" version --json | head -n 1)"
  exit 0
done
