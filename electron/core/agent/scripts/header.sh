#!/bin/sh
# What every script begins with: which shell this is, whose places may be used, how lines are marked.
# A login file may have put another shell in place of sh: zsh is told to behave like it, and one that does not split
# words as sh does goes no further. Places: docs/protocol.md, section 1, best first; a folder below /var/tmp that
# somebody else has made under our name is passed over. Marked lines go to descriptor 3 in attach.sh and to stdout in
# all others, from which script-header.ts takes the redirection away.
# shellcheck disable=SC2034 # the scripts that begin with this use what is set here
# shellcheck disable=SC2086 # words are split on purpose

if [ -n "${ZSH_VERSION:-}" ]; then emulate sh; fi
LC_ALL=C; export LC_ALL
TRANCHE_ROOT=${TRANCHE_ROOT:-}; HOME=${HOME:-/nonexistent}
nonce='@nonce@'

uid=$(id -u)
shared=/var/tmp/tranche-$uid
if [ -n "$TRANCHE_ROOT" ]; then places="$TRANCHE_ROOT/bin"; state="$TRANCHE_ROOT/state"
elif [ "$uid" = 0 ]; then places="/opt/tranche"; state=/var/lib/tranche
else
  places="$HOME/.local/share/tranche
$shared/bin"
  for other in "$shared"-*; do
    if [ ! -L "$other" ] && [ -O "$other" ] && [ -d "$other/bin" ]; then places="$places
$other/bin"; fi
  done
  case $XDG_STATE_HOME in (/*) state=$XDG_STATE_HOME/tranche ;; (*) state=$HOME/.local/state/tranche ;; esac
fi
say() { ( IFS=' '; printf '@tranche %s %s\n' "$nonce" "$*" ) >&3; }
owner() { ( IFS=' '; set -- $1; printf %s "$3" ); }
# Whether each folder on the way is ours or of root, and no link, from the first one on in which others may put things.
walk() { (
  IFS=/; set -f; set -- $1; at='' strict=''
  for part; do
    [ -n "$part" ] || continue
    at=$at/$part
    if [ -L "$at" ]; then [ -z "$strict" ] || exit 1; continue; fi
    facts=$(ls -ldn "$at" 2>/dev/null) && [ -d "$at" ] || exit 1
    if [ -n "$strict" ]; then
      [ -O "$at" ] || [ "$(owner "$facts")" = 0 ] || exit 1
      case $facts in (?????w*|????????w*) exit 1 ;; esac
    else
      case $facts in (????????w*) strict=1 ;; esac
      [ -O "$at" ] || [ "$(owner "$facts")" = 0 ] || strict=1
    fi
  done
) }
# Whether nobody but us and root can put anything at $1: by its name, and by where the links in it lead.
safe() {
  [ -O "$1" ] && [ ! -L "$1" ] || return 1
  case $(ls -ldn "$1") in (?????w*|????????w*) return 1 ;; esac
  walk "$1" && real=$(cd -P "$1" 2>/dev/null && pwd -P) && walk "$real"
}

say shell
words='one two'; set -- $words
if [ $# -ne 2 ]; then say failed shell-unusable "the shell that runs here is not sh"; exit 1; fi
