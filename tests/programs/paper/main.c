/* The measurements of "The Performance of µ-Kernel-Based Systems" (SOSP '97) that a Linux program can make, after lmbench and hbench.
 *
 *     paper [--quick|--few] [--marks] [calls|processes|switches|memory|bandwidth|alike]…
 *
 * Without a name all groups, but for the last, which measures some things again in other ways.
 *
 * With --marks, each round lies between two events in a profile (`ukvmm --profile`). A metric `nothing`, whose rounds are empty, then shows what belongs to the marks.
 *
 * Prints a JSON object a line, with "stats" as in seL4's benchmark results: [min, q1, median, mean, q3, max, standard deviation, n]. */
#include "measure.h"
#include "paper.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct group {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "calls", calls },   { "processes", processes }, { "switches", switches },
	{ "memory", memory }, { "bandwidth", bandwidth }, { "alike", alike },
};
enum { GROUPS = sizeof groups / sizeof *groups };

static char hello[PATH_MAX];

const char *hello_path(void)
{
	return hello;
}

void stop(pid_t child)
{
	if (child <= 0)
		return;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static const struct group *find(const char *name)
{
	for (int i = 0; i < GROUPS; i++)
		if (strcmp(groups[i].name, name) == 0)
			return &groups[i];
	fprintf(stderr, "paper: there is no group %s\n", name);
	exit(2);
}

static void nothing(void)
{
	struct metric m = metric("nothing", "ticks", 1, 2000);
	MEASURE(&m, );
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	snprintf(hello, sizeof hello, "%.*shello", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
	int first = 1;
	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--quick") == 0)
			quick = 1;
		else if (strcmp(argv[first], "--few") == 0)
			few = 1;
		else if (strcmp(argv[first], "--marks") == 0)
			marks = 1;
		else
			break;
	}
	for (int i = first; i < argc; i++)
		find(argv[i]);
	if (marks)
		nothing();
	for (int i = 0; i < GROUPS; i++) {
		int wanted = first == argc && groups[i].run != alike;
		for (int j = first; j < argc; j++)
			wanted |= find(argv[j]) == &groups[i];
		if (wanted)
			groups[i].run();
	}
	return 0;
}
