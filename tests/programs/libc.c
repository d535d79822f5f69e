// A static C program: what glibc needs of a Linux kernel, used the ordinary way. Its output is the same everywhere;
// addresses, process numbers and times are checked, not printed.
//
// usage: libc DIRECTORY [WORD…] <TEXT
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *yes(int x) { return x ? "yes" : "NO"; }

static void arguments(int argc, char **argv)
{
    printf("%d arguments:", argc - 2);
    for (int i = 2; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf("\n");
    for (char **e = environ; *e; e++)
        if (!strncmp(*e, "TEST_", 5))
            printf("environment: %s\n", *e);
    setenv("TEST_SET", "here", 1);
    printf("getenv: %s %s\n", getenv("TEST_SET"), getenv("TEST_NOT_SET") ? "?" : "(unset)");
}

static void formats(void)
{
    printf("%d %5.2f %-6s| %06x %e %g %c %%\n", -42, M_PI, "left", 0xbeef, 12345.678, 1e-9, 'c');
    printf("%lld %llu %zu %p\n", LLONG_MIN, ULLONG_MAX, sizeof(long double), (void *)0x1000);
    printf("%.*s|%*d|%+d|% d|%#o|%hhd\n", 3, "truncated", 8, 7, 7, 7, 8, 300);
    double d;
    int n, i;
    char word[16];
    n = sscanf("3.25 word 0x1f", "%lf %15s %i", &d, word, &i);
    printf("sscanf: %d %g %s %d\n", n, d, word, i);
    long octal = strtol("  -0777", NULL, 8), large = strtol("99999999999999999999", NULL, 10);
    printf("strtol: %ld %ld errno %s\n", octal, large, strerror(errno));
    volatile double one = 1, two = 2;
    volatile long double extended = 1;
    printf("libm: %.10f %.10f %.10f\n", sin(one), exp(one), pow(two, 0.5));
    printf("x87: %.15Lf\n", extended / 3);
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void memory(void)
{
    enum { SIZE = 64 << 20 };
    unsigned char *big = malloc(SIZE);
    unsigned long sum = 0, zero = 0;
    for (long i = 0; i < SIZE; i += 4096)
        zero |= big[i];
    for (long i = 0; i < SIZE; i += 4096)
        big[i] = i >> 12;
    for (long i = 0; i < SIZE; i += 4096)
        sum += big[i];
    printf("64 MiB: zero %s, sum %lu\n", yes(zero == 0), sum);
    big = realloc(big, SIZE / 2);
    printf("realloc keeps: %s\n", yes(big[4096 * 100] == 100));
    free(big);

    enum { NUMBERS = 20000 };
    static int numbers[NUMBERS];
    unsigned seed = 1;
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = seed = seed * 1103515245 + 12345;
    qsort(numbers, NUMBERS, sizeof *numbers, compare);
    int sorted = 1;
    for (int i = 1; i < NUMBERS; i++)
        sorted &= numbers[i - 1] <= numbers[i];
    printf("qsort: sorted %s, first %d, last %d\n", yes(sorted), numbers[0], numbers[NUMBERS - 1]);

    void *blocks[1000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = memset(malloc(i * 37 + 1), i, i * 37 + 1);
    int intact = 1;
    for (int i = 0; i < 1000; i++)
        intact &= *((unsigned char *)blocks[i] + i * 37) == (i & 255);
    for (int i = 0; i < 1000; i++)
        free(blocks[i]);
    printf("1000 blocks: %s\n", yes(intact));

    char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[4096] = 'm';
    int protected = mprotect(map + 4096, 4096, PROT_READ);
    printf("mprotect %d, readable %c", protected, map[4096]);
    printf(", munmap %d\n", munmap(map, 3 * 4096));
}

static sigjmp_buf back;
static volatile sig_atomic_t handled, code;
static void *volatile fault_address;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    handled = sig;
    code = info->si_code;
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    handled = sig;
    code = info->si_pid == getpid();
}

static void fault(const char *what, volatile char *address)
{
    handled = 0;
    if (sigsetjmp(back, 1) == 0)
        *address = 1;
    printf("%s: %s, code %d, address %s\n", what, handled ? strsignal(handled) : "no signal", code,
           yes(fault_address == (void *)address));
}

static void signals(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
    fault("write to unmapped page", (char *)0x10);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fault("write to read-only page", page + 123);
    fault("write to it again", page + 123);
    volatile int zero = 0, one = 1;
    if (sigsetjmp(back, 1) == 0)
        one /= zero;
    printf("division by zero: %s, code %d\n", strsignal(handled), code);

    sa.sa_sigaction = on_signal;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    printf("raise: signal %d, from myself %s\n", handled == SIGUSR1, yes(code));
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    handled = 0;
    kill(getpid(), SIGUSR1);
    sigpending(&pending);
    printf("blocked: handled %d, pending %d\n", handled, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("unblocked: handled %d\n", handled == SIGUSR1);

    static char stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    sa.sa_flags |= SA_ONSTACK;
    sa.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &sa, NULL);
    fault("on another stack", (char *)0x20);
    signal(SIGSEGV, SIG_DFL);

    // An alarm interrupts a read that nothing ever comes for.
    int fds[2];
    pipe(fds);
    sa = (struct sigaction){.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    char c;
    ssize_t n = read(fds[0], &c, 1);
    printf("read under an alarm: %zd %s\n", n, strerror(errno));
    close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    n = write(fds[1], &c, 1);
    printf("write to a closed pipe: %zd %s\n", n, strerror(errno));
    close(fds[1]);
}

static void wait_for(pid_t pid, const char *what)
{
    int status;
    pid_t found = waitpid(pid, &status, 0);
    printf("%s: %s", what, yes(found == pid));
    if (WIFEXITED(status))
        printf(", exit %d\n", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf(", signal %d\n", WTERMSIG(status));
}

static void processes(void)
{
    int to[2], from[2];
    pipe(to);
    pipe(from);
    static int shared_not = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char buffer[64];
        close(to[1]);
        ssize_t n = read(to[0], buffer, sizeof buffer);
        for (ssize_t i = 0; i < n; i++)
            buffer[i] = toupper(buffer[i]);
        shared_not = 2;
        write(from[1], buffer, n);
        _exit(shared_not + (getppid() > 0) + 20);
    }
    close(to[0]);
    close(from[1]);
    write(to[1], "through two pipes", 17);
    char answer[64] = {0};
    ssize_t n = read(from[0], answer, sizeof answer - 1);
    printf("child said %zd: %s", n, answer);
    printf("; end of file %zd; mine is still %d\n", read(from[0], answer, 1), shared_not);
    wait_for(pid, "child");
    close(to[1]);
    close(from[0]);

    fflush(stdout);
    if ((pid = fork()) == 0)
        abort();
    wait_for(pid, "abort");
    if ((pid = fork()) == 0)
        for (;;)
            pause();
    kill(pid, SIGTERM);
    wait_for(pid, "kill");
    if ((pid = vfork()) == 0) {
        execl("/bin/busybox", "busybox", "sh", "-c", "echo exec works; exit 7", NULL);
        _exit(99);
    }
    wait_for(pid, "vfork and exec");
    if ((pid = fork()) == 0) {
        execl("/no/such/program", "x", NULL);
        _exit(errno == ENOENT ? 8 : 9);
    }
    wait_for(pid, "exec of nothing");
    int status = system("exit 3");
    printf("system: %d\n", WEXITSTATUS(status));
    FILE *p = popen("busybox sort -r", "w");
    fprintf(p, "popen a\npopen b\n");
    printf("pclose: %d\n", pclose(p));
    pid = wait(NULL);
    printf("no children: %d %s\n", pid, strerror(errno));
}

static void times(void)
{
    struct timespec a, b, nap = {.tv_nsec = 20000000};
    clock_gettime(CLOCK_MONOTONIC, &a);
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    printf("20 ms: at least %s, at most 10 s %s\n", yes(ms >= 19), yes(ms < 10000));
    time_t now = time(NULL);
    struct timeval tv;
    gettimeofday(&tv, NULL);
    printf("after 2019: %s, gettimeofday agrees: %s\n", yes(now > 1577836799), yes(labs(tv.tv_sec - now) <= 1));
    time_t then = 1000000000;
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", gmtime(&then));
    printf("%s %ld\n", text, (long)timegm(gmtime(&then)));
    struct rusage usage;
    printf("getrusage: %d, clock: %s\n", getrusage(RUSAGE_SELF, &usage), yes(clock() != -1));
}

static void files(const char *directory)
{
    mkdir(directory, 0755);
    if (chdir(directory))
        printf("chdir: %s\n", strerror(errno));
    FILE *f = fopen("file", "w+");
    for (int i = 0; i < 1000; i++)
        fprintf(f, "line %d\n", i);
    printf("position %ld\n", ftell(f));
    fseek(f, 4000, SEEK_SET);
    char line[64];
    fgets(line, sizeof line, f);
    printf("at 4000: %s", line);
    fseek(f, -9, SEEK_END);
    fgets(line, sizeof line, f);
    printf("last: %s", line);
    printf("ungetc: %c\n", ungetc('q', f));
    fclose(f);
    struct stat st;
    stat("file", &st);
    printf("size %ld, regular %d, mode %o, links %lu\n", (long)st.st_size, S_ISREG(st.st_mode), st.st_mode & 07777, st.st_nlink);
    rename("file", "renamed");
    int result = access("file", F_OK);
    printf("after rename: %d %s\n", result, strerror(errno));
    int fd = open("renamed", O_RDWR | O_APPEND);
    struct iovec parts[2] = {{"one ", 4}, {"two\n", 4}};
    ssize_t n = writev(fd, parts, 2);
    printf("writev %zd, size %ld", n, (long)lseek(fd, 0, SEEK_END));
    printf(", truncated %d\n", ftruncate(fd, 10));
    n = pread(fd, line, sizeof line, 3);
    printf("pread %zd: %.*s\n", n, 4, line);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("mapped: %.4s", map);
    map[0] = 'L';
    pread(fd, line, 4, 0);
    printf(", private write: %.4s, file: %.4s\n", map, line);
    munmap(map, 4096);
    printf("unlinked %d", unlink("renamed"));
    printf(", still open: %zd\n", pread(fd, line, 4, 0));
    close(fd);
    result = close(fd);
    printf("closed twice: %d %s\n", result, strerror(errno));
    for (char name[] = "file-a"; name[5] <= 'e'; name[5]++)
        close(open(name, O_CREAT | O_WRONLY | O_EXCL, 0600));
    fd = open("file-a", O_CREAT | O_EXCL, 0600);
    printf("exclusive: %d %s\n", fd, strerror(errno));
    struct dirent **entries;
    int count = scandir(".", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++)
        printf("%s%c", entries[i]->d_name, i + 1 < count ? ' ' : '\n');
    for (char name[] = "file-a"; name[5] <= 'e'; name[5]++)
        unlink(name);
    char *cwd = getcwd(NULL, 0);
    printf("cwd is the directory: %s\n", yes(cwd && strlen(cwd) >= 4 && !strcmp(strrchr(cwd, '/'), strrchr(directory, '/'))));
    struct utsname name;
    result = uname(&name);
    printf("uname: %d %s %s\n", result, name.sysname, name.machine);
    char target[16] = {0};
    symlink("somewhere", "link");
    n = readlink("link", target, sizeof target);
    printf("readlink %zd %s\n", n, target);
    unlink("link");
    chdir("..");
    printf("rmdir %d\n", rmdir(directory));
}

static void input(void)
{
    char *line = NULL;
    size_t size = 0, lines = 0, bytes = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        bytes += n;
        if (++lines <= 2)
            printf("input: %s", line);
    }
    printf("%zu lines, %zu bytes, tty %d\n", lines, bytes, isatty(0));
    free(line);
}

static jmp_buf place;
static volatile int deepest = 100;
static int leap(int depth)
{
    if (depth < deepest)
        return leap(depth + 1) + 1;
    if (deepest)
        longjmp(place, 5);
    return 0;
}

static void last(void) { printf("atexit: last\n"); }
static void first(void) { printf("atexit: first\n"); }

int main(int argc, char **argv)
{
    umask(022);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    atexit(last);
    atexit(first);
    if (argc < 2)
        return 2;
    arguments(argc, argv);
    formats();
    memory();
    signals();
    processes();
    times();
    files(argv[1]);
    input();
    int value = setjmp(place);
    if (value == 0)
        leap(0);
    printf("longjmp: %d\n", value);
    fprintf(stderr, "the end, on standard error\n");
    return 33;
}
