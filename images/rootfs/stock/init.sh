#!/bin/sh
# The first program on a stock Linux kernel: loads the modules for the machine's devices, then runs /tests/run if that is
# there, or else a shell; switches the machine off when that ends.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
modules=/lib/modules/$(uname -r)
if [ -e "$modules/order" ]; then
    while read -r module; do insmod "$modules/$module"; done <"$modules/order"
fi
ip link set lo up
if [ -x /tests/run ]; then
    /tests/run
else
    if [ -e /sys/class/net/eth0 ]; then
        ip link set eth0 up
        udhcpc -i eth0 -q -n -s /etc/udhcpc.script
    fi
    cd /root || exit
    setsid cttyhack sh
fi
poweroff -f
