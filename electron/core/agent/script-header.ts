/** What every script on a host begins with: which shell this is, whose places may be used, how lines are marked. */
import { EMPTY_LINES } from '../ssh/shell.ts';

/** Letters, digits and `._-`: what versions, architectures, hashes and nonces are made of. */
export function shellValue(value: string): string {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(value)) throw new Error(`not a plain value: ${JSON.stringify(value)}`);
  return value;
}

/**
 * Where binaries may live (docs/protocol.md §1), best first, and where the agent keeps its state. Below /var/tmp anybody
 * may have made a folder of our name before us: such a one is passed over, and a deployment takes a random name there.
 * Which one it took needs no record: nobody can make a folder that is ours.
 */
const places = (fd: string): string => String.raw`
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
say() { ( IFS=' '; printf '@tranche %s %s\n' "$nonce" "$*" ) ${fd}; }
owner() { ( IFS=' '; set -- $1; printf %s "$3" ); }
# Whether each folder on the way is ours or of root, and no link, from the first one on in which others may put things.
walk() { (
  IFS=/; set -f; set -- $1; at= strict=
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
`;

/**
 * What every script begins with. A login file may have put another shell in place of sh: zsh is told to behave like it,
 * and one that does not split words as sh does goes no further. `fd`: where marked lines go, if not to stdout.
 */
export const header = (
  nonce: string,
  fd = '',
): string => `${EMPTY_LINES}if [ -n "\${ZSH_VERSION:-}" ]; then emulate sh; fi
LC_ALL=C; export LC_ALL
TRANCHE_ROOT=\${TRANCHE_ROOT:-}; HOME=\${HOME:-/nonexistent}
nonce='${shellValue(nonce)}'
${places(fd)}
say shell
words='one two'; set -- $words
if [ $# -ne 2 ]; then say failed shell-unusable "the shell that runs here is not sh"; exit 1; fi
`;
