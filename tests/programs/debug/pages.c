// Code on pages that are not there yet, and on pages that parent and child share until one of them writes.

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait.h"

enum { PAGE = 4096 };

// Alone on its page, which is not there until somebody calls it.
__attribute__((aligned(PAGE), noinline)) int late(int x)
{
    return x + 1;
}

__attribute__((aligned(PAGE), noinline)) int twice(int x)
{
    return x * 2;
}

static int (*copy)(int);

// Code in memory of its own, as a compiler that compiles while the program runs makes it.
static void make_copy(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, (const void *)twice, 64);
    copy = (int (*)(int))page;
}

int main(void)
{
    wait_for_debugger();
    int status;
    make_copy();
    int result = late(1);
    fflush(stdout);
    pid_t pid = fork();
    result += copy(pid == 0 ? 20 : 10);
    if (pid == 0)
        _exit(result);
    waitpid(pid, &status, 0);
    printf("parent %d, child %d\n", result, WEXITSTATUS(status));
    return 0;
}
