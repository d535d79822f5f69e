// What the shortest system calls take: a raw `syscall` between two readings of the time stamp counter, less what two readings take
// by themselves. In the lab a tick is an instruction, of the program, the servers and the µ-kernel together, and what interrupts
// it counts too: so the minimum is what the call takes.
//
//     NAME MINIMUM MEDIAN

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TIMES = 2001 };

static const struct {
    const char *name;
    long number;
    // Seconds to an alarm that never comes: what waits for it must not be in the way.
    unsigned alarm;
} calls[] = {
    {"getpid", SYS_getpid},
    {"getppid", SYS_getppid},
    {"gettid", SYS_gettid},
    {"getuid", SYS_getuid},
    {"umask", SYS_umask},
    {"sched_yield", SYS_sched_yield},
    {"unknown", 1000},
    {"getppid-alarm", SYS_getppid, 1000},
};

static inline uint64_t tsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t samples[TIMES];

// A number of -1: no call at all. The counter's readings are taken in the same way.
static uint64_t measure(long number, uint64_t *median) {
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin, end;
        if (number < 0) {
            begin = tsc();
            end = tsc();
        } else {
            long result;
            begin = tsc();
            __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(022) : "rcx", "r11", "memory");
            end = tsc();
        }
        samples[i] = end - begin;
    }
    qsort(samples, TIMES, sizeof *samples, ascending);
    *median = samples[TIMES / 2];
    return samples[0];
}

int main(void) {
    uint64_t empty_median, empty = measure(-1, &empty_median);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        alarm(calls[i].alarm);
        uint64_t median, minimum = measure(calls[i].number, &median);
        printf("%s %lu %lu\n", calls[i].name, minimum - empty, median - empty_median);
    }
    return 0;
}
