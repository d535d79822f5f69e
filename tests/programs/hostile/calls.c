// Makes every system call there is, and some that are not, with arguments that are all the same nonsense. What a
// call answers is its own affair; that others go on is what is checked, after each group of calls.
//
// Only for the guest: as root on a machine that matters some of these calls could do harm.
#include "check.h"
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

enum { CALLS = 451, GROUP = 50, CALL_MS = 500 };

static long nonsense[8];

// Calls that never return, or do to the caller what it asks for.
static int left_out(int number)
{
    return number == SYS_exit || number == SYS_exit_group || number == SYS_pause || number == SYS_reboot;
}

// Makes one call with one kind of nonsense in every argument.
static void call(void *argument)
{
    int number = *(int *)argument;
    pid_t self = getpid();
    for (unsigned i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        long n = nonsense[i];
        syscall(number, n, n, n, n, n, n);
        if (syscall(SYS_getpid) != self)
            _exit(0); // the call was a fork
    }
}

// Waits for the child, for so long; then it is killed. Returns whether it ended at all.
static int ended(pid_t pid)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    // By the clock: where a system call takes long, counted sleeps would take many times as long as they say.
    for (now = start; (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < CALL_MS;
         clock_gettime(CLOCK_MONOTONIC, &now)) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return 1;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    kill(pid, SIGKILL);
    return waitpid(pid, NULL, 0) == pid;
}

// Whether the ordinary things still work.
static int in_order(const char *directory)
{
    char name[256], text[4] = "";
    int ends[2];
    snprintf(name, sizeof name, "%s.file", directory);
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (fd < 0 || write(fd, "abc", 3) != 3 || pread(fd, text, 3, 0) != 3 || strcmp(text, "abc") || close(fd) || unlink(name))
        return 0;
    if (pipe(ends))
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(write(ends[1], "x", 1) == 1 ? 5 : 6);
    int status;
    int good = waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5 && read(ends[0], text, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    char *read_only = pages(1, PROT_READ);
    long values[] = {0, 1, -1, (long)0xffff800000000000, 0x1000, (long)read_only, (long)read_only + 4091, 0x7fffffffffff};
    memcpy(nonsense, values, sizeof values);
    for (int first = 0; first < CALLS; first += GROUP) {
        int stuck = 0;
        for (int number = first; number < first + GROUP && number < CALLS; number++) {
            if (left_out(number))
                continue;
            pid_t pid = fork();
            if (pid == 0) {
                signal(SIGPIPE, SIG_IGN);
                setpgid(0, 0);
                // Its own memory and descriptors are for it to ruin.
                call(&number);
                _exit(0);
            }
            if (pid < 0 || !ended(pid))
                stuck = number;
            kill(-pid, SIGKILL);
        }
        char name[64];
        snprintf(name, sizeof name, "calls %d to %d", first, first + GROUP - 1);
        check(!stuck && in_order(argv[1]), name, "call %d", stuck);
    }
    return finish();
}
