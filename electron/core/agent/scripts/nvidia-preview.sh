#!/bin/sh
# What nvidia-smi says, for the read-only view before anything is installed.

# @header@

smi=$(command -v nvidia-smi || :)
if [ -z "$smi" ] && [ -x /usr/bin/nvidia-smi ]; then smi=/usr/bin/nvidia-smi; fi
if [ -z "$smi" ]; then say note nvidia-smi was not found; exit 0; fi
out=$("$smi" --query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version --format=csv,noheader,nounits 2>&1)
code=$?
printf '%s\n' "$out" | while IFS= read -r line; do
  if [ $code -eq 0 ]; then say gpu "$line"; else say note "$line"; fi
done
