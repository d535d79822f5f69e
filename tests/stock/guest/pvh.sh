# A kernel that was entered by PVH. Ends with a restart.
check entry is 176 cat /proc/sys/kernel/bootloader_type
check acpi grep -q PNP0501 /sys/bus/acpi/devices/*/hid
check console is ttyS0 cat /sys/class/tty/console/active
echo "1..$n"
reboot -f
