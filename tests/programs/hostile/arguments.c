// Executes programs with arguments that are too many, too long, or nowhere: E2BIG or EFAULT, and the process that
// tried goes on. The most that is allowed arrives whole.
#include "check.h"
#include <fcntl.h>
#include <sys/syscall.h>

enum { COUNT = 2000, LENGTH = 50 };

static int run(char *const argv[])
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execve, "/proc/self/exe", argv, (char *[]){NULL});
        _exit(errno);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "count")) {
        // The child: are all arguments there?
        long length = 0;
        for (int i = 2; i < argc; i++)
            length += strlen(argv[i]);
        return argc - 2 == COUNT && length == (long)COUNT * LENGTH && argv[argc] == NULL ? 200 : 201;
    }
    char *word = malloc(LENGTH + 1), **many = calloc(COUNT + 3, sizeof *many);
    memset(word, 'w', LENGTH);
    word[LENGTH] = 0;
    many[0] = "arguments";
    many[1] = "count";
    for (int i = 0; i < COUNT; i++)
        many[2 + i] = word;
    int status = run(many);
    check(status == 200, "2000 arguments of 50 bytes arrive", "%d", status);

    enum { BIG = 200 << 10, ENTRIES = 400000 };
    char *big = malloc(BIG + 1);
    memset(big, 'b', BIG);
    big[BIG] = 0;
    status = run((char *[]){"arguments", big, NULL});
    check(status == E2BIG, "one argument of 200 KiB", "%d", status);
    char **entries = calloc(ENTRIES + 1, sizeof *entries);
    for (int i = 0; i < ENTRIES; i++)
        entries[i] = word;
    status = run(entries);
    check(status == E2BIG, "400 000 arguments", "%d", status);
    entries[1001] = NULL;
    entries[1000] = (char *)0xffff800000000000;
    status = run(entries);
    check(status == EFAULT, "an argument in the kernel", "%d", status);
    entries[1000] = (char *)1;
    status = run(entries);
    check(status == EFAULT, "an argument nowhere", "%d", status);
    // A vector that has no end.
    char **pages_of = (char **)pages(2, PROT_READ | PROT_WRITE);
    munmap((char *)pages_of + 4096, 4096);
    for (unsigned i = 0; i < 4096 / sizeof *pages_of; i++)
        pages_of[i] = "x";
    status = run(pages_of);
    check(status == EFAULT, "arguments without an end", "%d", status);
    return finish();
}
