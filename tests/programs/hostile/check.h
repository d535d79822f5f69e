// What the hostile programs share: checks that are reported a line each, and children to be hostile in.
//
// Output: `ok N NAME` or `not ok N NAME # DETAIL` for each check, `1..N` at the end.
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static int checks_made, checks_failed;

// Reports one check; `detail` explains a failure.
__attribute__((format(printf, 3, 4), unused)) static void check(int good, const char *name, const char *detail, ...)
{
    printf("%sok %d %s", good ? "" : "not ", ++checks_made, name);
    if (!good) {
        va_list args;
        va_start(args, detail);
        printf(" # ");
        vprintf(detail, args);
        va_end(args);
        checks_failed++;
    }
    printf("\n");
    fflush(stdout);
}

__attribute__((unused)) static int finish(void)
{
    printf("1..%d\n", checks_made);
    fflush(stdout);
    return checks_failed != 0;
}

// How something that was tried in a child ended.
struct end {
    int signal; // that a handler caught, or that killed it; 0: it came to its end
    int code;   // si_code of the signal caught
    uintptr_t address, ip;
    int status; // the child's wait status
};

enum { TRAP_STATUS = 77 };
static int trap_pipe = -1;

static void trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    struct end end = {sig, info->si_code, (uintptr_t)info->si_addr, c->uc_mcontext.gregs[REG_RIP], 0};
    if (write(trap_pipe, &end, sizeof end) != sizeof end)
        _exit(TRAP_STATUS + 1);
    _exit(TRAP_STATUS);
}

// Runs `body(argument)` in a child that is killed after `seconds`, and tells how it ended. Signals of faults are caught
// on a stack of their own.
__attribute__((unused)) static struct end attempt(void (*body)(void *), void *argument, unsigned seconds)
{
    static char stack[64 << 10];
    int fds[2];
    struct end end = {0};
    if (pipe(fds)) {
        end.status = -1;
        return end;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        trap_pipe = fds[1];
        stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
        sigaltstack(&alternate, NULL);
        struct sigaction sa = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
        for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
            sigaction(faults[i], &sa, NULL);
        alarm(seconds);
        body(argument);
        _exit(0);
    }
    close(fds[1]);
    if (pid < 0) {
        end.status = -1;
        close(fds[0]);
        return end;
    }
    struct end caught;
    ssize_t n = read(fds[0], &caught, sizeof caught);
    close(fds[0]);
    if (n == sizeof caught)
        end = caught;
    if (waitpid(pid, &end.status, 0) != pid)
        end.status = -1;
    if (end.signal == 0 && WIFSIGNALED(end.status))
        end.signal = WTERMSIG(end.status);
    return end;
}

// A page that cannot be accessed, one that can only be read, and so on: `protection` as for mmap.
__attribute__((unused)) static char *pages(int count, int protection)
{
    char *p = mmap(NULL, count * 4096L, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return p;
}
