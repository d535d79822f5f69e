# Several CPUs, all of which work.
every_cpu_works() {
    for cpu in 0 1; do
        before=$(awk "\$1 == \"cpu$cpu\" { print \$2 }" /proc/stat)
        is 100 taskset -c "$cpu" sh -c 'i=0; while [ $i -lt 100 ]; do i=$((i + 1)); done; echo $i' || return 1
    done
}
each_has_a_timer() {
    awk '$1 == "LOC:" && $2 > 0 && $3 > 0 { found = 1 } END { exit !found }' /proc/interrupts
}
check online is 0-1 cat /sys/devices/system/cpu/online
check cores is 2 grep -c '^processor' /proc/cpuinfo
check work every_cpu_works
check timers each_has_a_timer
check typed is "typed words" head -n 1
