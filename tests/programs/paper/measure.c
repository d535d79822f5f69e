#include "measure.h"
#include "../trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rounds that are not counted; rounds with --few. */
enum { WARM_UP = 10, FEW = 5 };

int quick, few, marks;

/* A metric's name as a number: FNV-1a. */
static uint64_t number(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;
	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 0x100000001b3;
	return hash;
}

struct metric metric(const char *name, const char *unit, double per, unsigned rounds)
{
	if (quick)
		rounds = rounds / 10 > FEW ? rounds / 10 : FEW;
	if (few)
		rounds = FEW;
	struct metric m = { name, number(name), per, unit, NULL, 0, rounds + WARM_UP };
	m.rounds = calloc(m.capacity, sizeof *m.rounds);
	if (!m.rounds) {
		fprintf(stderr, "paper: no memory for %u rounds\n", rounds);
		exit(1);
	}
	/* So that no round is interrupted by a first touch. */
	memset(m.rounds, 1, m.capacity * sizeof *m.rounds);
	return m;
}

int more(const struct metric *m)
{
	__asm__ volatile(MARK(MARK_ROUND));
	return m->count < m->capacity;
}

void add(struct metric *m, ticks round)
{
	if (m->count < WARM_UP)
		__asm__ volatile(MARK(MARK_ROUND_DROPPED));
	else
		__asm__ volatile(MARK(MARK_ROUND_END));
	if (marks)
		mark(m, EVENT_END);
	m->rounds[m->count++] = round;
}

void mark(const struct metric *m, int event)
{
	if (trace_file < 0)
		trace_open();
	if (m->count >= WARM_UP)
		trace(event, m->number);
}

/* The metric's line is about to be printed. */
static void end_metric(void)
{
	__asm__ volatile(MARK(MARK_METRIC_END));
}

static int order(const void *a, const void *b)
{
	ticks x = *(const ticks *)a, y = *(const ticks *)b;
	return (x > y) - (x < y);
}

/* What a round of nothing takes: the minimum of many. */
static ticks empty_round(void)
{
	static ticks least;
	if (least == 0) {
		least = UINT64_MAX;
		for (int i = 0; i < 1000; i++) {
			ticks t0 = now(), t = now() - t0;
			if (t < least)
				least = t;
		}
	}
	return least;
}

/* The value below which a part of the sorted values lies; between two of them, in proportion. */
static double quantile(const double *sorted, unsigned n, double part)
{
	double at = part * (n - 1);
	unsigned below = at;
	return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
}

void report(struct metric *m)
{
	end_metric();
	unsigned n = m->count - WARM_UP;
	ticks *rounds = m->rounds + WARM_UP, empty = empty_round();
	qsort(rounds, n, sizeof *rounds, order);
	double *values = malloc(n * sizeof *values), sum = 0, squares = 0;
	if (!values) {
		fprintf(stderr, "paper: no memory for %u rounds\n", n);
		exit(1);
	}
	for (unsigned i = 0; i < n; i++) {
		values[i] = (rounds[i] > empty ? rounds[i] - empty : 0) / m->per;
		sum += values[i];
	}
	double mean = sum / n;
	for (unsigned i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	printf("{\"name\":\"%s\",\"unit\":\"%s\",\"per\":%.0f,\"subtracted\":%llu,\"stats\":[%.4f,%.4f,%.4f,%.4f,%.4f,%.4f,%.4f,%u]}\n",
	       m->name, m->unit, m->per, (unsigned long long)empty, values[0], quantile(values, n, 0.25),
	       quantile(values, n, 0.5), mean, quantile(values, n, 0.75), values[n - 1], sqrt(squares / n), n);
	fflush(stdout);
	free(values);
	free(m->rounds);
}

void unavailable(struct metric *m, const char *what)
{
	end_metric();
	printf("{\"name\":\"%s\",\"error\":\"%s: %s\"}\n", m->name, what, strerror(errno));
	fflush(stdout);
	free(m->rounds);
}
