#!/bin/sh
# $1 is the folder for the layers, $2 the one that both systems share: the package and the app's data lie there.

set -e
mount -t tmpfs -o size=2g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
for place in /proc /sys /dev "$2"; do mount --rbind "$place" "$1/root$place"; done
cd "$1/root"
pivot_root . .
umount -l .
cd /
echo ready
exec cat
