/* A program that records events of its own for a profile. Its output is the same with and without one, and on Linux.
 *
 *   events         some system calls between two events, events of a second thread, and several in one write
 *   events flood   far more events at once than there is room for
 */

#define _GNU_SOURCE
#include "trace.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { BEGIN = 1, END = 2, THREAD = 3, SEVERAL = 4, FLOOD = 5 };
enum { CALLS = 20, THREAD_EVENTS = 3, SEVERAL_EVENTS = 5, FLOOD_EVENTS = 1000000 };

/* A system call and nothing else. */
static void call(long number)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
}

static void *second(void *argument)
{
    for (uint64_t n = 0; n < THREAD_EVENTS; n++)
        trace(THREAD, n);
    return argument;
}

/* Whether /dev/trace, where there is one, takes all of it. */
static int takes(const void *bytes, size_t length)
{
    return trace_file < 0 || write(trace_file, bytes, length) == (ssize_t)length;
}

/* Whether /dev/trace, where there is one, refuses it. */
static int refuses(const void *bytes, size_t length)
{
    return trace_file < 0 || (write(trace_file, bytes, length) == -1 && errno == EINVAL);
}

static int flood(void)
{
    struct trace_event *all = calloc(FLOOD_EVENTS, sizeof *all);
    for (uint64_t n = 0; all && n < FLOOD_EVENTS; n++)
        all[n] = (struct trace_event){FLOOD, n};
    if (!all || !takes(all, FLOOD_EVENTS * sizeof *all))
        return 1;
    puts("all written");
    return 0;
}

int main(int argc, char **argv)
{
    trace_open();
    if (argc > 1 && !strcmp(argv[1], "flood"))
        return flood();

    trace(BEGIN, CALLS);
    for (int n = 0; n < CALLS; n++)
        call(SYS_getppid);
    trace(END, CALLS);
    printf("%d calls\n", CALLS);

    pthread_t thread;
    if (pthread_create(&thread, NULL, second, NULL) || pthread_join(thread, NULL))
        return 1;
    printf("%d events of a thread\n", THREAD_EVENTS);

    struct trace_event several[SEVERAL_EVENTS];
    for (uint64_t n = 0; n < SEVERAL_EVENTS; n++)
        several[n] = (struct trace_event){SEVERAL, UINT64_MAX - n};
    if (!takes(several, sizeof several))
        return 2;
    printf("%d at once\n", SEVERAL_EVENTS);

    struct trace_event wrong = {256, 0};
    if (!refuses(&wrong, sizeof wrong) || !refuses(several, sizeof *several - 1))
        return 3;
    puts("nothing that is no event");
    return 0;
}
