/* The groups of the suite. */
#pragma once

#include <sys/types.h>

void calls(void);
void processes(void);
void switches(void);
void memory(void);
void bandwidth(void);

/* The program that does nothing, which is beside this one. */
const char *hello_path(void);
/* Ends a child and waits for it. */
void stop(pid_t child);
