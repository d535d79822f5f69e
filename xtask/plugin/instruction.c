#include "instruction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 15 };
/* Begins the displacement of a mark. */
static const uint32_t MARKS = 0x756b6d00;

struct bytes {
	uint8_t size;
	uint8_t data[LONGEST];
};

/* All forms, and a hash table of their numbers plus one. */
static struct bytes *all;
static uint32_t count, capacity, *table, slots;

uint32_t forms(void)
{
	return count;
}

const uint8_t *form(uint32_t number, size_t *size)
{
	*size = all[number].size;
	return all[number].data;
}

static void *must(void *memory)
{
	if (!memory) {
		fputs("events plugin: no memory\n", stderr);
		abort();
	}
	return memory;
}

/* Where a form is in the table, or is to be. FNV-1a. */
static uint32_t *place(const struct bytes *bytes)
{
	uint32_t hash = 2166136261u;
	for (int i = 0; i < bytes->size; i++)
		hash = (hash ^ bytes->data[i]) * 16777619u;
	for (uint32_t at = hash;; at++) {
		uint32_t *slot = &table[at & (slots - 1)];
		if (*slot == 0 || memcmp(&all[*slot - 1], bytes, sizeof *bytes) == 0)
			return slot;
	}
}

static void grow(void)
{
	capacity = capacity ? capacity * 2 : 1 << 14;
	slots = capacity * 2;
	all = must(realloc(all, capacity * sizeof *all));
	free(table);
	table = must(calloc(slots, sizeof *table));
	for (uint32_t i = 0; i < count; i++)
		*place(&all[i]) = i + 1;
}

static uint32_t number_of(const void *data, size_t size)
{
	struct bytes bytes = { .size = size };
	memcpy(bytes.data, data, size);
	if (count == capacity)
		grow();
	uint32_t *slot = place(&bytes);
	if (*slot == 0) {
		all[count] = bytes;
		*slot = ++count;
	}
	return *slot - 1;
}

/* QEMU's memory in which the machine's is: where the mapping begins in which an address lies. The lab's machine has one. */
static uint64_t memory_of(uint64_t address)
{
	static uint64_t begin, end;
	if (address >= begin && address < end)
		return begin;
	FILE *maps = must(fopen("/proc/self/maps", "r"));
	char line[512];
	while (fgets(line, sizeof line, maps)) {
		unsigned long long from, to;
		if (sscanf(line, "%llx-%llx", &from, &to) == 2 && address >= from && address < to) {
			begin = from;
			end = to;
		}
	}
	fclose(maps);
	return begin;
}

static bool is(const uint8_t *data, size_t size, const char *bytes, size_t length)
{
	return size >= length && memcmp(data, bytes, length) == 0;
}

enum mark mark_of(const uint8_t *data, size_t size)
{
	uint32_t displacement;
	if (size != 7 || !is(data, size, "\x0f\x1f\x80", 3))
		return NO_MARK;
	memcpy(&displacement, data + 3, sizeof displacement);
	return displacement > MARKS && displacement < MARKS + MARK_LIMIT ? displacement - MARKS : NO_MARK;
}

static void recognise(struct instruction *instruction, const uint8_t *data, size_t size)
{
	instruction->mark = mark_of(data, size);
	/* A REX prefix says which general register is meant. */
	if (size && (data[0] & 0xf0) == 0x40) {
		data++;
		size--;
	}
	if (is(data, size, "\x0f\x05", 2)) {
		instruction->kind = SYSCALL;
	} else if (is(data, size, "\x0f\x01\xd8", 3)) {
		instruction->kind = VMRUN;
	} else if (size == 3 && is(data, size, "\x0f\x22", 2) && (data[2] >> 3 & 7) == 3) {
		instruction->kind = SWITCH;
	}
}

struct instruction *translate(const struct qemu_plugin_tb *block)
{
	size_t number = qemu_plugin_tb_n_insns(block);
	struct instruction *instructions = must(calloc(number, sizeof *instructions));
	for (size_t i = 0; i < number; i++) {
		const struct qemu_plugin_insn *from = qemu_plugin_tb_get_insn(block, i);
		const uint8_t *data = qemu_plugin_insn_data(from);
		uint64_t address = qemu_plugin_insn_vaddr(from), host = (uintptr_t)qemu_plugin_insn_haddr(from);
		size_t size = qemu_plugin_insn_size(from);
		instructions[i] = (struct instruction){
			.address = address,
			.physical = host - memory_of(host),
			.form = number_of(data, size),
			.size = size,
			.is_last = i + 1 == number,
			.is_kernel = address >> 63,
		};
		recognise(&instructions[i], data, size);
	}
	return instructions;
}
