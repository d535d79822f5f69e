# Runs in the lab: a command line of ukvmm, whose machine is paused for a moment when it has begun to say something, and then typed on.
"$@" --control control &
machine=$!
ctl="$1 ctl control"
until $ctl metrics 2>/dev/null | grep -q '^ukvmm_console_bytes_total{direction="from_guest"} [1-9]'; do usleep 50000; done
echo "# $($ctl pause)"
echo "# $($ctl resume)"
$ctl keys --text 'typed words' enter
wait "$machine"
echo "# status $?"
