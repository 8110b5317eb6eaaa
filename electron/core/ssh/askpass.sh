#!/bin/sh
# Started by ssh with a question as its argument; askpass.ts answers. `answer.N` is the pipe, `ask.N` the question: its
# kind in the first line. Ends with the app that started ssh.

d=${0%/*}
pipe=$d/answer.$$
trap 'rm -f "$pipe"' EXIT
trap 'exit 1' HUP INT TERM
mkfifo -m 600 "$pipe" || exit 1
{ printf '%s\n' "${SSH_ASKPASS_PROMPT:-}"; printf '%s' "$1"; } > "$d/new.$$" && mv "$d/new.$$" "$d/ask.$$" || exit 1
(
  # ssh reads until its pipe is closed, and has left another copy of it to us, beyond stdout.
  exec </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  while [ -p "$pipe" ]; do
    kill -0 "$TRANCHE_PID" || { kill $$; break; }
    sleep 1
  done
) &
{ IFS= read -r verdict && [ "$verdict" = yes ] && cat; } < "$pipe"
