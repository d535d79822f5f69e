#include "trace.h"

#include "rounds.h"

#include <stdio.h>
#include <stdlib.h>

/* As in cache/src/trace.rs. */
static const char MAGIC[8] = "ukvmtrc1";
enum what { FETCH, LOAD, STORE, NEW_SPACE, ROUND_BEGINS, METRIC_ENDS, CUT };
enum who { USER, KERNEL, HOST };

/* Records of the round, and how many of them belong to it for sure. */
static uint64_t *records;
static size_t length, kept, room;
static uint64_t left;
static bool is_cut;
static FILE *out;

bool trace_into(const char *path, uint64_t limit)
{
	out = fopen(path, "wb");
	left = limit / sizeof *records;
	return out && fwrite(MAGIC, sizeof MAGIC, 1, out) == 1;
}

bool is_tracing(void)
{
	return out;
}

static uint64_t record(enum what what, enum who who, uint64_t size, uint64_t address)
{
	return (uint64_t)who << 60 | (uint64_t)what << 56 | size << 48 | (address & 0xffffffffffff);
}

static void put(uint64_t record)
{
	if (length >= left) {
		is_cut = true;
		return;
	}
	if (length == room) {
		room = room ? room * 2 : 1 << 16;
		records = realloc(records, room * sizeof *records);
		if (!records)
			abort();
	}
	records[length++] = record;
}

static enum who who(const struct instruction *instruction)
{
	return !in_guest() ? HOST : instruction->is_kernel ? KERNEL : USER;
}

void trace_fetch(const struct instruction *instruction)
{
	if (!out)
		return;
	put(record(FETCH, who(instruction), instruction->size, instruction->physical));
	if (instruction->kind == SWITCH && in_guest())
		put(record(NEW_SPACE, KERNEL, 0, 0));
}

void trace_access(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *instruction)
{
	(void)cpu;
	if (!in_round())
		return;
	struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, address);
	if (!where || qemu_plugin_hwaddr_is_io(where))
		return;
	enum what what = qemu_plugin_mem_is_store(info) ? STORE : LOAD;
	uint64_t size = 1u << qemu_plugin_mem_size_shift(info);
	put(record(what, who(instruction), size, qemu_plugin_hwaddr_phys_addr(where)));
}

void trace_begin(void)
{
	length = kept = 0;
}

void trace_keep(void)
{
	kept = length;
}

static void write_records(const uint64_t *from, size_t count)
{
	if (count > left)
		count = left;
	left -= fwrite(from, sizeof *from, count, out);
}

void trace_write(void)
{
	if (!out)
		return;
	uint64_t begin = record(ROUND_BEGINS, USER, 0, 0), cut = record(CUT, USER, 0, 0);
	write_records(&begin, 1);
	write_records(records, kept);
	if (is_cut)
		write_records(&cut, 1);
}

void trace_metric(void)
{
	uint64_t end = record(METRIC_ENDS, USER, 0, 0);
	if (out)
		write_records(&end, 1);
}
