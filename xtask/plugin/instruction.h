/* Instructions, as they are translated. */
#pragma once

#include "qemu.h"

/* What the plugin itself has to know an instruction as. */
enum kind {
	PLAIN,
	SYSCALL,
	VMRUN,
	/* A write to CR3. */
	SWITCH,
};

/* Marks are NOPs with a displacement of 32 bits, 0x756b6d00 plus one of these: tests/programs/paper/measure.h. */
enum mark {
	NO_MARK,
	/* The next instruction reads the time stamp counter for a round. */
	READING,
	/* A round begins at the next reading. */
	ROUND,
	/* The round has ended with the last reading, and counts. */
	ROUND_END,
	/* It does not count: it was for warming up. */
	ROUND_DROPPED,
	/* All rounds of a metric have been made. */
	METRIC_END,
	MARK_LIMIT
};

struct instruction {
	uint64_t address;
	/* Where it is in the machine's memory. */
	uint64_t physical;
	/* Which of the different instructions: see `form`. */
	uint32_t form;
	uint8_t size;
	uint8_t kind;
	uint8_t mark;
	/* The last one of its block: only behind such a one can an interrupt come. */
	bool is_last;
	/* In the upper half of the address space. */
	bool is_kernel;
};

/* Which mark these bytes are. */
enum mark mark_of(const uint8_t *data, size_t size);

/* The instructions of a block, which have been translated. They are kept for ever: nobody says when a block is thrown away. */
struct instruction *translate(const struct qemu_plugin_tb *block);

/* How many forms there are, and the bytes of one of them: what is the same byte for byte is one form. */
uint32_t forms(void);
const uint8_t *form(uint32_t number, size_t *size);
