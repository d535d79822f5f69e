// A fork bomb: every child forks as its parent does. Whoever gets an error waits to be killed. The process that started it
// kills the whole group, again and again until none is left, and everything goes on.
#include "check.h"
#include <time.h>

int main(void)
{
    fflush(stdout);
    pid_t first = fork();
    if (first == 0) {
        setpgid(0, 0);
        for (;;)
            if (fork() < 0)
                pause();
    }
    setpgid(first, first);
    check(first > 0, "it was started", "%m");
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    // Children of killed parents are nobody's here; they are gone when the group has no members.
    int rounds = 0;
    while (rounds < 1000 && kill(-first, SIGKILL) == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        rounds++;
        waitpid(first, NULL, WNOHANG);
    }
    check(rounds < 1000 && errno == ESRCH, "the group was killed", "%d rounds, %m", rounds);
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(5);
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 5, "forks work again", "%#x", status);
    return finish();
}
