/* The trace of rounds: where instructions and data are. docs/cache.md has the file's format. */
#pragma once

#include "instruction.h"

/* Opens the file. It gets no larger than `limit` bytes. */
bool trace_into(const char *path, uint64_t limit);
bool is_tracing(void);

void trace_fetch(const struct instruction *instruction);
void trace_access(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *instruction);

/* A round begins. */
void trace_begin(void);
/* What was traced until now belongs to it. */
void trace_keep(void);
/* It has ended, and counts. */
void trace_write(void);
/* All rounds of a metric have been made. */
void trace_metric(void);
