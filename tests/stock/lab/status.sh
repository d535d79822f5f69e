# Runs in the lab: a command line of ukvmm, and its exit status.
"$@"
echo "# status $?"
