/* What the suite measures in one way and others in another: measured in theirs, to see whether the instruments agree. No part of the suite, but run on demand. */
#define _GNU_SOURCE
#include "measure.h"
#include "paper.h"

#include <sched.h>
#include <sys/mman.h>

enum { PAGE = 4096, ROUNDS = 300, MORE_PAGES = 64 };

/* A fork takes the more the more memory there is to be shared: a parent that is larger. */
static void larger_parent(void)
{
	char *at = mmap(NULL, MORE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED) {
		struct metric none = metric("null process, 64 pages more", "ticks", 1, 1);
		unavailable(&none, "mmap");
		return;
	}
	for (int i = 0; i < MORE_PAGES; i++)
		at[i * PAGE] = 1;
	null_process("null process, 64 pages more");
	munmap(at, MORE_PAGES * PAGE);
}

/* Linux lets somebody who has just been woken run at once, or not, by what both have used of their time. A process of this policy never does; its children are of it, too. */
static void nobody_preempts(void)
{
	struct sched_param none = { 0 };
	if (sched_setscheduler(0, SCHED_BATCH, &none)) {
		struct metric m = metric("Unix socket round trip, nobody preempts", "ticks", 1, 1);
		unavailable(&m, "SCHED_BATCH");
		return;
	}
	socket_round_trip("Unix socket round trip, nobody preempts");
	sched_setscheduler(0, SCHED_OTHER, &none);
}

/* Each page in a round of its own, so that the median is of a fault that finds a free page at hand. */
static void touch_alone(void)
{
	struct metric m = metric("first touch, a page alone", "ticks", 1, ROUNDS);
	char *at = mmap(NULL, m.capacity * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED) {
		unavailable(&m, "mmap");
		return;
	}
	size_t size = m.capacity * PAGE;
	while (more(&m)) {
		volatile char *page = at + m.count * PAGE;
		ticks t0 = now();
		*page = 1;
		add(&m, now() - t0);
	}
	report(&m);
	munmap(at, size);
}

void alike(void)
{
	larger_parent();
	nobody_preempts();
	touch_alone();
}
