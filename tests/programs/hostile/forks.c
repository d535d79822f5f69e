// Forks until no more children can be had; all of them wait. The parent gets an error, kills them all, and everything goes on.
//
// usage: forks [MOST]     MOST: stop after so many, which is not an error (for machines that matter)
#include "check.h"

enum { LIMIT = 8192 };
static pid_t children[LIMIT];

int main(int argc, char **argv)
{
    int most = argc > 1 ? atoi(argv[1]) : LIMIT;
    int ends[2], count = 0, error = 0;
    if (pipe(ends))
        return 2;
    // What the parent needs it has beforehand: who touches a new page when memory is out is killed, whoever took the memory.
    memset(children, -1, sizeof children);
    while (count < most) {
        pid_t pid = fork();
        if (pid == 0) {
            char c;
            close(ends[1]);
            // Something of its own, so that it costs memory: copied pages.
            static volatile char private_data[64 << 10];
            for (unsigned i = 0; i < sizeof private_data; i += 4096)
                private_data[i] = 1;
            _exit(read(ends[0], &c, 1) != 0);
        }
        if (pid < 0) {
            error = errno;
            break;
        }
        children[count++] = pid;
    }
    if (argc == 1)
        check(error == EAGAIN || error == ENOMEM, "fork fails at last", "%s after %d", strerror(error), count);
    check(count >= (argc > 1 ? most : 50), "many children were made", "%d", count);
    int killed = 0, reaped = 0;
    for (int i = 0; i < count; i++)
        killed += kill(children[i], SIGKILL) == 0;
    while (wait(NULL) > 0)
        reaped++;
    // One that was out of memory has been killed already; it is still there to be killed and waited for.
    check(killed == count, "all were there to be killed", "%d of %d", killed, count);
    check(reaped == count, "all were waited for", "%d of %d", reaped, count);
    int good = 0;
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(i);
        good += pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == i;
    }
    check(good == 20, "forks work again", "%d of 20", good);
    char *memory = malloc(16 << 20);
    check(memory && memset(memory, 1, 16 << 20), "memory is there again", "%m");
    return finish();
}
