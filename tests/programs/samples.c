// Spends its time in one function that another one calls, and some of it in files that the system makes up: for profiles by samples.
//
//     samples ROUNDS TIMES

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOT_INLINED __attribute__((noinline, noclone))

// Turns of the loop that one round has.
#define TURNS 100000

static volatile uint64_t sum;

NOT_INLINED static void inner(uint64_t turns) {
    for (uint64_t n = 0; n < turns; n++) sum += n;
}

// Works behind each call too, so that none is a jump.
NOT_INLINED static void outer(uint64_t rounds) {
    for (uint64_t n = 0; n < rounds; n++) {
        inner(TURNS);
        sum++;
    }
}

NOT_INLINED static void look(uint64_t times) {
    char text[4096];
    for (uint64_t n = 0; n < times; n++) {
        int file = open("/proc/self/stat", O_RDONLY);
        if (file < 0 || read(file, text, sizeof text) <= 0) exit(1);
        close(file);
        sum++;
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    outer(strtoull(argv[1], NULL, 10));
    look(strtoull(argv[2], NULL, 10));
    puts("done");
    return 0;
}
