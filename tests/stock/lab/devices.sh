# Runs in the lab: a stock kernel with all devices, and the other sides of them.
# devices.sh UKVMM KERNEL INITRD VSOCK
mkdir -p /tmp/stock
cd /tmp/stock || exit
ip link set lo up
truncate -s 16M disk
echo "from the lab" >read-only
truncate -s 64K read-only
seq 1 2000000 | head -c 10485760 >file
sum=$(md5sum <file)
# nc ends with the first side that does, and what it reads from here never ends.
mkfifo never
nc -l -p 7001 <file >/dev/null 2>&1 &
others=$!
nc -l -p 7002 <>never >uploaded 2>/dev/null &
others="$others $!"
# Nobody listens yet: then a connection is made and ends at once.
{ until nc 127.0.0.1 7003 <>never | tee heard | grep -q .; do usleep 50000; done; } >/dev/null 2>&1 &
others="$others $!"
"$4" serve vsock_5000 >/dev/null 2>&1 &
others="$others $!"
{ until "$4" knock vsock 5001; do usleep 50000; done; } >/dev/null 2>&1 &
others="$others $!"
echo "typed words" | "$1" --kernel "$2" --initrd "$3" --cmdline "quiet check=devices sum=${sum%% *} date=$(date +%F)" \
    --disk disk,serial=ukvmm-test --disk read-only,ro --net user,hostfwd=tcp:127.0.0.1:7003-:7003 \
    --virtio-console --virtio-console=name=org.ukvmm.test,path=port --vsock cid=3,path="$PWD/vsock"
echo "# status $?"
# Those that nobody has called would wait for ever.
kill $others 2>/dev/null
echo "# by a port $(cat port)"
echo "# heard $(cat heard)"
echo "# sent $sum"
echo "# received $(md5sum <uploaded)"
echo "# disk"
gzip -c disk | base64
