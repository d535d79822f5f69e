# Runs in the lab: a command line of ukvmm whose guest dies, and what is left of it. A core is not: to write and to hash one takes seconds here.
"$@" --crash-dir /tmp/case/crashes,core=off
echo "# status $?"
cd /tmp/case/crashes/* || exit
echo "# left" *
grep -h '"kind": "\(panic\|triple-fault\)"' manifest.json
grep -h 'Kernel panic' console.log
cat registers.txt
