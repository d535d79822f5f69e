// Storms of signals: thousands to itself, thousands between two processes, signals in handlers, handlers that fault, timers
// that go off all the time under system calls.
//
// usage: signals [COUNT]     COUNT: how many thousands are (default 10 000)
#include "check.h"
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t count, nested, deepest;

static void counted(int sig)
{
    (void)sig;
    count++;
}

static void raises_again(int sig)
{
    nested++;
    if (nested > deepest)
        deepest = nested;
    if (count++ < 500)
        raise(sig);
    nested--;
}

static void faults(int sig)
{
    (void)sig;
    *(volatile char *)8 = 1;
}

static void fault_in_handler(void *unused)
{
    (void)unused;
    signal(SIGSEGV, faults);
    signal(SIGUSR1, faults);
    raise(SIGUSR1);
}

static void blocked_fault(void *unused)
{
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    *(volatile char *)8 = 1;
}

static void restorer(int sig)
{
    (void)sig;
}

static void bad_handler(void *address)
{
    signal(SIGUSR1, (void (*)(int))address);
    raise(SIGUSR1);
}

static void sigreturn_alone(void *unused)
{
    (void)unused;
    __asm__ volatile("mov $15, %%eax; mov $0x1000, %%esp; syscall" : : : "rax", "memory");
}

int main(int argc, char **argv)
{
    int storm = argc > 1 ? atoi(argv[1]) : 10000;
    struct sigaction sa = {.sa_handler = counted};
    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < storm; i++)
        kill(getpid(), SIGUSR1);
    check(count == storm, "a storm to itself", "%d of %d", (int)count, storm);

    // Two that signal each other as fast as they can. Signals of a kind do not queue: some are lost, nobody is.
    sigaction(SIGUSR2, &sa, NULL);
    pid_t parent = getpid();
    count = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < storm; i++)
            kill(parent, SIGUSR2);
        _exit(7);
    }
    for (int i = 0; i < storm; i++)
        kill(pid, SIGUSR1);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a storm to another and back", "status %#x", status);
    check(count >= 1 && count <= storm, "some of them came", "%d", (int)count);

    sa.sa_handler = raises_again;
    sa.sa_flags = SA_NODEFER;
    sigaction(SIGUSR1, &sa, NULL);
    count = 0;
    raise(SIGUSR1);
    check(count == 501 && deepest == 501, "500 handlers deep", "%d, %d deep", (int)count, (int)deepest);
    sa.sa_flags = 0;
    nested = deepest = count = 0;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    check(count == 501 && deepest == 1, "500 handlers in a row", "%d, %d deep", (int)count, (int)deepest);

    // A timer under calls that must not notice it.
    sa.sa_handler = counted;
    sa.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &sa, NULL);
    count = 0;
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    int ends[2], wrong = 0;
    if (pipe(ends))
        return 2;
    for (int i = 0; i < 2000 || (count < 20 && i < 2000000); i++) {
        char c = i, d = 0;
        if (write(ends[1], &c, 1) != 1 || read(ends[0], &d, 1) != 1 || c != d)
            wrong++;
    }
    pid = fork();
    if (pid == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        _exit(write(ends[1], "!", 1) != 1);
    }
    char c = 0;
    wrong += read(ends[0], &c, 1) != 1 || c != '!';
    wrong += waitpid(pid, &status, 0) != pid || status != 0;
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, NULL);
    check(wrong == 0 && count >= 20, "calls under a timer", "%d wrong, %d signals", wrong, (int)count);

    struct end end = attempt(fault_in_handler, NULL, 10);
    check(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV, "handlers that fault", "status %#x", end.status);
    end = attempt(blocked_fault, NULL, 10);
    check(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV, "a fault while all are blocked", "status %#x", end.status);
    static void *const addresses[] = {(void *)8, (void *)0x800000000000, (void *)0xffff800000000000, (void *)0xffffffff80100000, (void *)0x7fff00001000};
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char name[64];
        snprintf(name, sizeof name, "a handler at %p", addresses[i]);
        end = attempt(bad_handler, addresses[i], 10);
        check(end.signal == SIGSEGV, name, "signal %d status %#x", end.signal, end.status);
    }
    end = attempt(sigreturn_alone, NULL, 10);
    check(end.signal == SIGSEGV, "sigreturn without a frame", "signal %d status %#x", end.signal, end.status);
    check(kill(getpid(), 65) == -1 && errno == EINVAL, "signal 65", "%m");
    check(kill(getpid(), -1) == -1 && errno == EINVAL, "signal -1", "%m");
    check(signal(SIGKILL, restorer) == SIG_ERR && errno == EINVAL, "no handler for KILL", "%m");
    check(kill(0x7ffffff0, SIGTERM) == -1 && errno == ESRCH, "a process that is not there", "%m");
    return finish();
}
