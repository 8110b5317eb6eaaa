#!/bin/sh
# One file of a deployment: a part of deploy.sh.
# shellcheck disable=SC2154 # deploy.sh sets what is not set here

decode > "$new/@name@" 2>"$new/error" <<'TRANCHE_END_OF_FILE' || broken write @name@
# @content@
TRANCHE_END_OF_FILE
