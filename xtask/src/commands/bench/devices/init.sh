#!/bin/busybox sh
# First program of the guest that `cargo xtask bench devices` measures: loads the drivers, uses disk and network, switches the machine off.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module"; done </modules/order
$b ip link set lo up
$b ip address add 10.0.2.15/24 dev eth0
$b ip link set eth0 up
/bin/load disk /dev/vda
/bin/load net 10.0.2.2 5999
echo "load end $?"
$b poweroff -f
