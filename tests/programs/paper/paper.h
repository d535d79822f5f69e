/* The groups of the suite. */
#pragma once

#include <sys/types.h>

void calls(void);
void processes(void);
void switches(void);
void memory(void);
void bandwidth(void);
/* Run only if it is named. */
void alike(void);

/* Measurements that are made in more than one way. */
void null_process(const char *name);
void socket_round_trip(const char *name);

/* The program that does nothing, which is beside this one. */
const char *hello_path(void);
/* Ends a child and waits for it. */
void stop(pid_t child);
