#!/bin/sh
# Turns the link to another version that is there. What it named before is told, for the way back.
# shellcheck disable=SC2154 # header.sh sets what is not set here

# @header@

version='@folder@'
IFS='
'
for place in $places; do
  [ -L "$place/current" ] && safe "$place" && [ -x "$place/$version/tranche" ] && [ -r "$place/$version/libtranche.so" ] || continue
  before=$(readlink "$place/current")
  ln -s "$version" "$place/.current-$nonce" && mv -T "$place/.current-$nonce" "$place/current" || { rm -f "$place/.current-$nonce"; exit 1; }
  say turned "$before"
  exit 0
done
