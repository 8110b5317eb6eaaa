#!/bin/sh
# Stands for nvidia-cuda-mps-control: says what it was given, stays, and goes when it is told to quit.

pid="$CUDA_MPS_PIPE_DIRECTORY/nvidia-cuda-mps-control.pid"
if [ "$1" = "-d" ]; then
  [ -e "$FAKE_MPS/fail" ] && exit 3
  env | grep '^CUDA_' | sort > "$FAKE_MPS/environment"
  [ -e "$FAKE_MPS/never" ] && exec tail -f /dev/null
  sh -c 'echo $$ > "$1"; exec tail -f /dev/null' daemon "$pid" < /dev/null > /dev/null 2>&1 &
  exit 0
fi
read -r word
echo "$word" >> "$FAKE_MPS/told"
[ "$word" = quit ] && kill "$(cat "$pid")" && rm "$pid"
