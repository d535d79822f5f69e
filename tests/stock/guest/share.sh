# A kernel that knows 9P. Ends with a restart by the keyboard controller (reboot=k).
mount_share() {
    mkdir -p "/mnt/$1" && mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 "$1" "/mnt/$1"
}
exchange() {
    is "from the lab" cat /mnt/open/words && echo "from the guest" >/mnt/open/answer &&
        cp /mnt/open/file /mnt/open/folder/copy && is "$(option sum)  -" md5sum </mnt/open/folder/copy
}
remove() {
    mv /mnt/open/old /mnt/open/older && rm /mnt/open/older && test ! -e /mnt/open/old
}
refused() {
    ! echo x >/mnt/closed/words && is "from the lab" cat /mnt/closed/words
}

check mount mount_share open
check exchange exchange
check remove remove
check mount-read-only mount_share closed
check refused refused
umount /mnt/open /mnt/closed
echo "1..$n"
reboot -f
