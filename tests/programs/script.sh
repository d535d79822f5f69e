#!/bin/sh
# One long shell script, run by the same busybox on Linux and in the guest: standard output, standard error and
# exit status have to be the same, byte for byte. So it prints nothing that differs from run to run (process
# numbers, times, sizes of directories, inode numbers) and touches nothing outside its directory, $1.
#
# Error messages begin with the script's name as it was called, so call it by the same name everywhere.
#
# usage: busybox sh script.sh DIRECTORY [NUMBERS]     NUMBERS: how much work (default 2000)

set -u
umask 022
ulimit -c 0
export LC_ALL=C TZ=UTC0
dir=${1:?usage: script.sh DIRECTORY}
count=${2:-2000}
mkdir -p "$dir" && cd "$dir" || exit 2
section() { printf '\n== %s\n' "$*"; }
fails() { "$@"; printf '%s: status %d\n' "$1" $?; }

section words and arithmetic
a=7 b=3
echo "$a+$b=$((a + b)) $a*$b=$((a * b)) $a/$b=$((a / b)) $a%$b=$((a % b)) shift=$((1 << 40)) neg=$((-a / b))"
echo "hex=$((0xff)) ternary=$((a > b ? 1 : 0)) logic=$((a && !b)) big=$((9223372036854775807))"
word=archive.tar.gz
echo "${word%.*} ${word%%.*} ${word#*.} ${word##*.} ${#word} ${word/tar/cpio} ${unset:-default} ${word:+set}"
set -- one 'two words' '' three
echo "$# arguments:" "$@"
for i in "$@"; do printf '[%s]' "$i"; done; echo
shift 2; echo "after shift: $# [$1] [$2]"
printf '%5d|%-5s|%05.1f|%x|%o|%c|%%|%b\n' 42 ab 3.14159 255 8 xyz 'tab\there'
IFS=: read -r user pass uid rest <<-END
	root:x:0:0:root:/root:/bin/sh
	END
echo "user=$user uid=$uid rest=$rest"

section control flow
i=0
while [ $i -lt 5 ]; do
    i=$((i + 1))
    [ $i -eq 2 ] && continue
    [ $i -eq 5 ] && break
    echo "while $i"
done
until [ $i -le 3 ]; do i=$((i - 1)); done; echo "until $i"
for name in alpha.c beta.h gamma.tar delta; do
    case $name in
    *.c | *.h) echo "$name: source" ;;
    *.tar) echo "$name: archive" ;;
    *) echo "$name: other" ;;
    esac
done
factorial() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
echo "10! = $(factorial 10)"
local_scope() { local a=inner; a=$a-changed; echo "$a"; return 3; }
local_scope; echo "status $? outer a=$a"
(a=subshell; cd /; exit 4); echo "subshell status $? a=$a"
{ echo grouped; false; } || echo "or-list after false"
! true; echo "negated true: $?"
true && false || echo "and-or"
eval 'echo "eval: $a"'

section redirections and here-documents
echo first >lines; echo second >>lines; echo third >>lines
cat <lines
cat <<END | sed 's/^/| /'
expanded: $a $((a * 2)) $(echo nested)
END
cat <<'END'
literal: $a $(echo not run) \n
END
{ echo to-stdout; echo to-stderr >&2; } >out.txt 2>err.txt
printf 'out=%s err=%s\n' "$(cat out.txt)" "$(cat err.txt)"
exec 5>fd5.txt; echo "through descriptor 5" >&5; exec 5>&-
cat fd5.txt
echo "this goes to standard error" >&2
while read -r line; do printf '<%s>' "$line"; done <lines; echo
wc -l <lines; wc -c lines; : >empty; wc empty

section pipes
seq 1 "$count" | sort -rn | head -n 3
seq 1 "$count" | awk '{ s += $1 } END { print "sum", s }'
seq 1 "$count" | grep -c '7'
printf 'b 2\na 1\nc 3\na 0\n' | sort | uniq -c | sort -k2,2 -k3,3n | tr -s ' ' | sed 's/^ //'
echo 'pipe of five' | cat | cat | tr a-z A-Z | cat | rev
yes | head -n 3 | tr '\n' ' '; echo
(exit 9) | true; echo "status of the last: $?"
seq 1 100000 | head -n 1
tee copy1 copy2 <lines >/dev/null; cmp copy1 copy2 && echo "tee: same"
seq 1 20 | xargs -n 6 echo xargs:
seq 1 12 | paste -d, - - - | cut -d, -f2,3 | tail -n 2

section files
mkdir -p tree/one/two tree/three
printf 'hello world\n' >tree/one/hello; printf 'x' >tree/one/two/x; seq 1 "$count" >tree/three/numbers
ln -s ../one/hello tree/three/link; ln tree/one/hello tree/three/hard; ln -s nowhere tree/broken
find tree | sort
find tree -type f -name '*e*' | sort
find tree -type l -exec readlink {} \; | sort
find tree -type f -size -2 -exec wc -c {} + | sort | sed 's/^ *//'
cat tree/three/link; echo more >>tree/three/hard; cat tree/one/hello
[ tree/one/hello -ef tree/three/hard ] && echo "hard link: same file"
[ -L tree/broken ] && [ ! -e tree/broken ] && echo "broken link"
fails cat tree/broken
fails mkdir tree
fails rmdir tree
fails cd nowhere
touch -d '2001-02-03 04:05:06' tree/one/hello tree/one/two/x tree/three/numbers
touch -h -d '2001-02-03 04:05:06' tree/three/link
chmod 640 tree/one/hello; chmod 4755 tree/one/two/x; chmod u-w,g+w tree/three/numbers
for f in tree/one/hello tree/one/two/x tree/three/link tree/three/numbers; do
    ls -ln $f | awk '{ if ($1 !~ /^l/) print $1, $2, $5, $6, $7, $8, $9; else print $1, $2, $9, $10, $11 }'
done
stat -c '%n %s %A %F %h' tree/one/hello tree/one/two/x
mv tree/one/two/x tree/one/y && ls tree/one tree/one/two
cp -r tree/one tree/four && diff -r tree/one tree/four && echo "copies are the same"
cp tree/one/hello changed && sed -i 's/world/there/; 2d' changed
diff -U0 tree/one/hello changed | tail -n +3; test "$(cat changed)" = 'hello there' && echo edited
tmp=$(mktemp ./tmp.XXXXXX) && [ -f "$tmp" ] && echo "mktemp: ${#tmp} characters" && rm "$tmp"
tmpd=$(mktemp -d ./dir.XXXXXX) && [ -d "$tmpd" ] && rmdir "$tmpd" && echo "mktemp -d"
basename /a/b/c.txt .txt; dirname /a/b/c.txt; (cd tree/one/two/../.. && basename "$(pwd)")
truncate -s 10000 sparse && wc -c <sparse && od -An -tx1 -j9996 sparse

section text
cat >people <<END
anna,36,berlin
boris,17,sofia
clara,52,berlin
dmitri,29,riga
END
awk -F, '$2 >= 18 { n[$3]++; age[$3] += $2 } END { for (c in n) print c, n[c], age[c] / n[c] }' people | sort
awk 'BEGIN { for (i = 0; i < 5; i++) printf "%d^2=%d ", i, i * i; print ""; print substr("microkernel", 6), toupper("l4"), length("abc") }'
awk 'BEGIN { printf "%.6f %.6f %.3e %d\n", 1 / 3, 2.5 * 4, 12345.678, 7 / 2 }'
sed -n '/^b/,/^c/p' people; sed -e 's/\([a-z]*\),\([0-9]*\)/\2:\1/' -e '$!d' people
grep -n berlin people; grep -v berlin people | wc -l; grep -E '^(a|d).*[0-9]{2}' people; fails grep -q nobody people
sort -t, -k2n people | cut -d, -f1 | tr '\n' ' '; echo
tr -d aeiou <people | head -n 1; fold -w 5 <people | head -n 3; nl people | head -n 2
echo 'L4 on KVM' | od -c | head -n 2; echo 'L4 on KVM' | hexdump -C | head -n 1; echo 'L4 on KVM' | base64
expr 6 \* 7; expr length microkernel; echo '2 16 ^ p' | dc; echo 'scale=5; 22/7' | bc

section archives and sums
tar c tree | tar t | sort
mkdir unpacked && tar c tree | (cd unpacked && tar x) && diff -r tree/three unpacked/tree/three && echo "tar: same"
readlink unpacked/tree/broken
tar cz tree | tar tz | wc -l
seq 1 "$count" | gzip -c >numbers.gz; gunzip -c numbers.gz | sha256sum
cp tree/three/numbers again; gzip again; [ -f again.gz ] && [ ! -f again ] && gunzip again.gz && sha256sum again
gzip -t numbers.gz && echo "gzip -t"
printf 'not gzip' >bad.gz; gunzip -c bad.gz 2>/dev/null; echo "gunzip of garbage: status $?"
seq 1 "$count" | bzip2 -c | bunzip2 -c | md5sum
dd if=/dev/zero of=zeros bs=4096 count=64 2>/dev/null; sha256sum zeros; wc -c <zeros
dd if=tree/three/numbers bs=10 skip=3 count=2 2>/dev/null; echo
printf 'PATCH' | dd of=zeros bs=1 seek=100 conv=notrunc 2>/dev/null; od -An -c -j98 -N9 zeros
sha512sum people | cut -c1-32; md5sum lines; sha1sum lines
echo tree | cpio -o -H newc 2>/dev/null | head -c 6; echo
head -c 100000 /dev/urandom >random; gzip -c random | gunzip -c | cmp - random && echo "random survives gzip"

section processes
for i in 3 1 2; do (sleep 0.$i; echo "job $i done" >job.$i) & done; wait; cat job.1 job.2 job.3
(exit 5) & wait $!; echo "background status $?"
# Whether the shell says that a job was killed depends on whether it died before the shell waited.
sleep 100 & pid=$!; kill $pid; { wait $pid; } 2>/dev/null; echo "killed by TERM: $?"
sleep 100 & pid=$!; kill -KILL $pid; { wait $pid; } 2>/dev/null; echo "killed by KILL: $?"
sleep 100 & pid=$!; kill -STOP $pid; kill -0 $pid && echo "stopped one is there"; kill -CONT $pid; kill $pid; { wait $pid; } 2>/dev/null; echo "after CONT: $?"
kill -0 $pid 2>/dev/null || echo "gone"
sh -c 'kill -SEGV $$'; echo "killed itself: $?"
sh -c 'exit 300'; echo "exit 300: $?"
trap 'echo "caught USR1"' USR1; kill -USR1 $$; echo "after the trap"; trap - USR1
trap '' TERM; kill -TERM $$; echo "TERM ignored"; trap - TERM
(trap 'echo "exit trap, status $?"; exit 6' EXIT; exit 1); echo "status from the trap: $?"
(trap 'echo "child got TERM"; exit 0' TERM; : >ready; while :; do sleep 0.05; done) & pid=$!
while [ ! -e ready ]; do sleep 0.05; done; kill $pid; wait $pid; echo "handler exit: $?"
nosuchcommand 2>/dev/null; echo "not found: $?"
printf '#!/bin/sh\nexit 11\n' >script; ./script 2>/dev/null; echo "not executable: $?"
printf '#! /bin/busybox sh\necho "interpreted: $# $1"\nexit 12\n' >script; chmod +x script; ./script arg; echo "script: $?"
printf '#!/bin/busybox sh -e\n' >script; ./script; echo "an interpreter gets one argument: $?"
timeout 0.2 sleep 100; echo "timeout: $?"
env -i ONE=1 TWO=2 env | sort
(ulimit -n 20; ulimit -n)
mkfifo fifo; (echo "through a fifo" >fifo) & cat fifo; wait
sh -c 'trap "" HUP; kill -HUP $$; echo "HUP ignored"'; setsid echo "session of its own"

section the end
cd ..; rm -r "$dir" && [ ! -e "$dir" ] && echo "removed"
exit 42
