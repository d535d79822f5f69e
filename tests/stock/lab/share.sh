# Runs in the lab: a stock kernel with shared folders.
# share.sh UKVMM KERNEL INITRD
mkdir -p /tmp/stock/open/folder /tmp/stock/closed
cd /tmp/stock || exit
echo "from the lab" | tee open/words >closed/words
echo old >open/old
seq 1 2000000 | head -c 4194304 >open/file
sum=$(md5sum <open/file)
"$1" --kernel "$2" --initrd "$3" --cmdline "quiet reboot=k check=share sum=${sum%% *}" \
    --share tag=open,path=open --share tag=closed,path=closed,ro
echo "# status $?"
echo "# answer $(cat open/answer)"
echo "# sent $sum"
echo "# received $(md5sum <open/folder/copy)"
ls open
