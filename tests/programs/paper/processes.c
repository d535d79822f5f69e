/* Making processes, as lmbench's lat_proc does: one that exits at once, one that runs a program, one that has a shell run it. */
#include "measure.h"
#include "paper.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 200 };

/* Makes a child that executes `path` with `argv`, or exits at once if there is none, and waits for it. Whether it ended with 0. */
static int process(const char *path, char *const argv[])
{
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		if (path)
			execve(path, argv, (char *[]){ NULL });
		_exit(path ? 127 : 0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void measure(const char *name, const char *path, char *const argv[])
{
	struct metric m = metric(name, "ticks", 1, ROUNDS);
	if (!process(path, argv)) {
		unavailable(&m, path ? path : "fork");
		return;
	}
	MEASURE(&m, process(path, argv));
}

void null_process(const char *name)
{
	measure(name, NULL, NULL);
}

void processes(void)
{
	char *hello = (char *)hello_path();
	null_process("null process");
	measure("simple process", hello, (char *[]){ hello, NULL });
	measure("/bin/sh process", "/bin/sh", (char *[]){ "sh", "-c", hello, NULL });
}
