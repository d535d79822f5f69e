#!/lab/busybox sh
# The lab's first program: loads the modules, runs /lab/command, says how it ended, switches the machine off.
# The ports of the virtio console are the program's standard output (1) and error (2), and what is said to xtask (3).
# The program writes to pipes: a port takes only part of a long write.
b=/lab/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/lab/$module"; done </lab/modules
if [ -x /lab/hold ]; then /lab/hold; fi
$b mkfifo /lab/1 /lab/2
$b cat </lab/1 >/dev/vport0p1 &
$b cat </lab/2 >/dev/vport0p2 &
echo ready >/dev/vport0p3
$b sh /lab/command </lab/stdin >/lab/1 2>/lab/2
status=$?
wait
echo "exit $status" >/dev/vport0p3
$b poweroff -f
