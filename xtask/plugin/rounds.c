/* Where a round ends is known only when it has ended: with the last reading before the mark. So what has come behind a reading is kept aside until there is
 * another reading, or the end. */
#include "rounds.h"

#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is counted. */
struct totals {
	/* Instructions executed to their end, and how many of these only perhaps. */
	uint64_t instructions, perhaps_undone;
	/* Those of the host, which are in the first, too. */
	uint64_t host;
	uint64_t deliveries, exits;
};

/* Executed instructions that are not counted yet. */
static const struct instruction **aside;
static size_t pending, room;
static struct totals pending_totals;

enum { OUTSIDE, BEGINNING, INSIDE } state;
/* Of the round, up to the last reading; of the metric. */
static struct totals round_totals, metric_totals;
/* By forms: executed by the guest in user and kernel mode. */
static struct pair {
	uint64_t user, kernel;
} *round_counts, *metric_counts;
static uint32_t counted;
static unsigned rounds;
static FILE *out;

bool count_into(const char *path)
{
	out = fopen(path, "w");
	return out;
}

bool in_round(void)
{
	return state == INSIDE;
}

static void add(struct totals *to, const struct totals *more)
{
	to->instructions += more->instructions;
	to->perhaps_undone += more->perhaps_undone;
	to->host += more->host;
	to->deliveries += more->deliveries;
	to->exits += more->exits;
}

static struct pair *extended(struct pair *counts, uint32_t size)
{
	counts = realloc(counts, size * sizeof *counts);
	if (!counts)
		abort();
	memset(counts + counted, 0, (size - counted) * sizeof *counts);
	return counts;
}

/* What was kept aside belongs to the round. */
static void take(void)
{
	if (counted < forms()) {
		uint32_t size = forms();
		round_counts = extended(round_counts, size);
		metric_counts = extended(metric_counts, size);
		counted = size;
	}
	for (size_t i = 0; i < pending; i++) {
		struct pair *pair = &round_counts[aside[i]->form];
		*(aside[i]->is_kernel ? &pair->kernel : &pair->user) += 1;
	}
	add(&round_totals, &pending_totals);
	trace_keep();
}

static void forget_aside(void)
{
	pending = 0;
	pending_totals = (struct totals){ 0 };
}

static void reading(void)
{
	if (state == INSIDE)
		take();
	if (state == BEGINNING)
		state = INSIDE;
	forget_aside();
}

static void begin(void)
{
	state = BEGINNING;
	round_totals = (struct totals){ 0 };
	if (counted)
		memset(round_counts, 0, counted * sizeof *round_counts);
	trace_begin();
}

static void end(bool counts)
{
	if (counts && state == INSIDE) {
		fprintf(out, "round %llu %llu\n", (unsigned long long)round_totals.instructions,
			(unsigned long long)round_totals.perhaps_undone);
		add(&metric_totals, &round_totals);
		for (uint32_t i = 0; i < counted; i++) {
			metric_counts[i].user += round_counts[i].user;
			metric_counts[i].kernel += round_counts[i].kernel;
		}
		rounds++;
		trace_write();
	}
	state = OUTSIDE;
	forget_aside();
}

static void metric_end(void)
{
	fprintf(out, "metric %u %llu %llu %llu\n", rounds, (unsigned long long)metric_totals.host,
		(unsigned long long)metric_totals.deliveries, (unsigned long long)metric_totals.exits);
	for (uint32_t i = 0; i < counted; i++) {
		struct pair *pair = &metric_counts[i];
		if (!pair->user && !pair->kernel)
			continue;
		size_t size;
		const uint8_t *bytes = form(i, &size);
		while (size--)
			fprintf(out, "%02x", *bytes++);
		fprintf(out, " %llu %llu\n", (unsigned long long)pair->user, (unsigned long long)pair->kernel);
		*pair = (struct pair){ 0 };
	}
	fflush(out);
	state = OUTSIDE;
	rounds = 0;
	metric_totals = (struct totals){ 0 };
	trace_metric();
}

static void count(const struct instruction *now)
{
	pending_totals.instructions++;
	if (!in_guest()) {
		pending_totals.host++;
		return;
	}
	if (pending == room) {
		room = room ? room * 2 : 1 << 16;
		aside = realloc(aside, room * sizeof *aside);
		if (!aside)
			abort();
	}
	aside[pending++] = now;
}

/* The instruction before was counted, but did not come to its end. */
static void take_back(bool was_in_guest)
{
	if (pending_totals.instructions == 0)
		return;
	pending_totals.instructions--;
	if (was_in_guest)
		pending--;
	else
		pending_totals.host--;
}

void executed(unsigned cpu, void *data)
{
	const struct instruction *now = data;
	bool was_in_guest = in_guest();
	struct step step = follow(now);
	(void)cpu;
	if (state == INSIDE) {
		if (step.is_undone)
			take_back(was_in_guest);
		pending_totals.perhaps_undone += step.is_perhaps_undone;
		pending_totals.deliveries += step.is_delivery;
		pending_totals.exits += step.is_exit;
	}
	switch (now->mark) {
	case ROUND:
		begin();
		return;
	case ROUND_END:
	case ROUND_DROPPED:
		end(now->mark == ROUND_END);
		return;
	case METRIC_END:
		metric_end();
		return;
	}
	if (state == INSIDE) {
		count(now);
		trace_fetch(now);
	}
	/* The mark of the first reading stands before the round, that of the last one in it. */
	if (now->mark == READING)
		reading();
}
