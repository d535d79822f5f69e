/* Makes system calls in known proportions, for so many seconds, and ends with status 7. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { GETPPID = 8, GETUID = 2, ROUND_NS = 10000000, STATUS = 7 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    double end = seconds() + (argc > 1 ? atof(argv[1]) : 0);
    while (seconds() < end) {
        for (int n = 0; n < GETPPID; n++)
            getppid();
        for (int n = 0; n < GETUID; n++)
            getuid();
        nanosleep(&(struct timespec){.tv_nsec = ROUND_NS}, NULL);
    }
    return STATUS;
}
