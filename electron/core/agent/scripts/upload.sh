#!/bin/sh
# One file of a deployment: a part of deploy.sh.

decode > "$new/@name@" 2>"$new/error" <<'TRANCHE_END_OF_FILE' || broken write @name@
# @content@
TRANCHE_END_OF_FILE
