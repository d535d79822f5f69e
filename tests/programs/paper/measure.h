/* Metrics: the readings of many rounds, made a line of JSON each.
 *
 * A round is what lies between two readings of the time stamp counter, with an LFENCE on either side of each, so that neither is made early or late. What two
 * readings cost with nothing in between (the minimum) is taken off every round, and printed.
 *
 * Marks tell a plugin of QEMU's what a round is (xtask/plugin); to every processor they are NOPs. */
#pragma once

#include <stdint.h>

typedef uint64_t ticks;

/* As in xtask/plugin/instruction.h: the next instruction is a reading; a round begins with the next reading; it has ended with the last, and counts; or does not;
 * all of a metric have been made. */
#define MARK_READING "0x756b6d01"
#define MARK_ROUND "0x756b6d02"
#define MARK_ROUND_END "0x756b6d03"
#define MARK_ROUND_DROPPED "0x756b6d04"
#define MARK_METRIC_END "0x756b6d05"
/* NOPL with the number as a displacement of 32 bits. */
#define MARK(number) ".byte 0x0f, 0x1f, 0x80\n\t.long " number "\n\t"

static inline ticks now(void)
{
	uint32_t low, high;
	__asm__ volatile("lfence\n\t" MARK(MARK_READING) "rdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (ticks)high << 32 | low;
}

/* The readings of one metric. */
struct metric {
	const char *name;
	/* Of the name, for marks. */
	uint64_t number;
	/* What one round does that many of: operations, bytes. Figures are per one of them. */
	double per;
	/* "ticks" of the time stamp counter, or "ticks/byte". */
	const char *unit;
	ticks *rounds;
	unsigned count, capacity;
};

/* Set with --quick: a tenth of the rounds. */
extern int quick;
/* Set with --few: no more rounds than it takes to see what a round does. */
extern int few;
/* Set with --marks: a program's event in a profile before each counted round and behind it, with the metric's name as its argument. */
extern int marks;
enum { EVENT_BEGIN = 1, EVENT_END = 2 };

/* A metric of at most `rounds` rounds (fewer if `quick` or `few`). */
struct metric metric(const char *name, const char *unit, double per, unsigned rounds);
/* Whether there are rounds to be made. The first few are for warming up: `add` forgets them. */
int more(const struct metric *m);
void add(struct metric *m, ticks round);
/* Makes an event that says where a round begins or ends, if it is one that is counted. */
void mark(const struct metric *m, int event);
/* The first reading of a round. */
static inline ticks begin(const struct metric *m)
{
	if (marks)
		mark(m, EVENT_BEGIN);
	return now();
}
/* Prints the metric and frees it. */
void report(struct metric *m);
/* Says that a metric cannot be had, with the reason that is in errno, and frees it. */
void unavailable(struct metric *m, const char *what);

/* Measures `statement` in each round. */
#define MEASURE(m, statement)                \
	do {                                 \
		while (more(m)) {            \
			ticks t0 = begin(m); \
			statement;           \
			add(m, now() - t0); \
		}                            \
		report(m);                   \
	} while (0)
