# All devices that Debian's kernel for cloud machines has drivers for, after a boot by the Linux boot protocol.
gateway=10.0.2.2

input() {
    read -r -t 60 line
    is "typed words" echo "$line"
}
random() {
    one=$(head -c 64 /dev/hwrng | md5sum) two=$(head -c 64 /dev/hwrng | md5sum)
    test "$(head -c 64 /dev/hwrng | wc -c)" = 64 && test "$one" != "$two"
}
make_file_system() {
    mke2fs -F /dev/vda >/dev/null && mount -t ext2 /dev/vda /mnt && mkdir /mnt/folder &&
        seq 1 100000 >/mnt/folder/numbers && echo "from the guest" >/mnt/words && sync && umount /mnt
}
read_back() {
    mount -t ext2 -o ro /dev/vda /mnt && seq 1 100000 | cmp - /mnt/folder/numbers && umount /mnt
}
address() {
    ip link set eth0 up && udhcpc -i eth0 -q -n -s /etc/udhcpc.script && ip address show dev eth0 | grep -q 'inet 10\.0\.2\.15/24'
}
# nc ends with the first side that does, and what it reads from here never ends.
download() {
    mkfifo /tmp/never && nc "$gateway" 7001 <>/tmp/never >/tmp/file && is "$(option sum)  -" md5sum </tmp/file
}
upload() {
    nc "$gateway" 7002 </tmp/file
}
forwarded() {
    echo "from the guest" | timeout 60 nc -l -p 7003
}
# The port of the console that has this name.
port() {
    for port in /sys/class/virtio-ports/*; do
        test "$(cat "$port/name" 2>/dev/null)" = "$1" && echo "/dev/${port##*/}"
    done
}
named_port() {
    echo "from the guest" >"$(port org.ukvmm.test)"
}
terminal() {
    echo "# by hvc0 from the guest" >/dev/hvc0
}

check entry is 255 cat /proc/sys/kernel/bootloader_type
check hypervisor grep -q hypervisor /proc/cpuinfo
check one-cpu is 0 cat /sys/devices/system/cpu/online
check clock is "$(option date)" cat /sys/class/rtc/rtc0/date
check input input
check random random
check disk-size is 16777216 blockdev --getsize64 /dev/vda
check disk-serial is ukvmm-test cat /sys/block/vda/serial
check file-system make_file_system
check read-back read_back
check read-only is 1 cat /sys/block/vdb/ro
check read-only-content is "from the lab" head -n 1 /dev/vdb
check address address
check download download
check upload upload
check forwarded forwarded
check named-port named_port
check terminal terminal
check vsock-out is "from the lab" /tests/vsock connect 5000
check vsock-in is "from the lab" timeout 60 /tests/vsock listen 5001
