// Forks; the child executes /tests/counter, and the parent waits for it.

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait.h"

static int place;

static void child(void)
{
    place = 1;
    execl("/tests/counter", "counter", "2", (char *)NULL);
    _exit(127);
}

static int parent(pid_t pid)
{
    int status;
    place = 2;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

int main(void)
{
    wait_for_debugger();
    pid_t pid = fork();
    if (pid == 0)
        child();
    int status = parent(pid);
    printf("the child's status is %d\n", status);
    return status;
}
