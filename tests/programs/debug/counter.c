// Counts to its first argument, and rests for its second, milliseconds, in between.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

long count;

static long bump(long by)
{
    count += by;
    return count;
}

int main(int argc, char **argv)
{
    long limit = argc > 1 ? atol(argv[1]) : 3;
    long rest = argc > 2 ? atol(argv[2]) : 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    while (count < limit) {
        long now = bump(1);
        printf("tick %ld\n", now);
        if (rest)
            usleep(rest * 1000);
    }
    printf("counted to %ld\n", count);
    return 0;
}
