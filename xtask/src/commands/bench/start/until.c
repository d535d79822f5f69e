/*
 * until COMMAND ARGUMENTS…: starts a command, and prints how many ticks of the time stamp counter it takes until the first byte
 * of its standard output. Then the command is killed, and the kernel has time to clear up behind it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	int ends[2];
	char byte;

	if (argc < 2 || pipe(ends))
		fail("until");
	unsigned long long start = __rdtsc();
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	close(ends[1]);
	ssize_t got = read(ends[0], &byte, 1);
	unsigned long long end = __rdtsc();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	usleep(500000);
	if (got != 1) {
		fprintf(stderr, "until: %s ended without a byte\n", argv[1]);
		return 1;
	}
	printf("until %llu\n", end - start);
	return 0;
}
