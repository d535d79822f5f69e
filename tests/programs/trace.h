/* Events of a program in a profile: `ukvmm --profile`. Without a profile, and where there is no /dev/trace, nothing happens. */

#ifndef TRACE_H
#define TRACE_H

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

/* What /dev/trace takes: as many as one likes in one write. */
struct trace_event {
    uint64_t event; /* 0 to 255; what it means is up to the program */
    uint64_t argument;
};

static int trace_file = -1;

static inline void trace_open(void)
{
    trace_file = open("/dev/trace", O_WRONLY | O_CLOEXEC);
}

/* Records an event of the calling thread. */
static inline void trace(uint64_t event, uint64_t argument)
{
    if (trace_file >= 0) {
        struct trace_event record = {event, argument};
        /* A profile that misses something says so itself. */
        (void)!write(trace_file, &record, sizeof record);
    }
}

#endif
