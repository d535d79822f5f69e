/* From one process to another and back: by pipe, socket, futex; and round a ring of processes, as lmbench's lat_ctx. */
#include "measure.h"
#include "paper.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 500, RING_MAX = 8 };

/* Sends back every byte that comes, until there are no more. */
static void echo(int from, int to)
{
	char byte;
	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
	_exit(0);
}

static int exchange(int to, int from)
{
	char byte = 'x';
	return write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1;
}

/* A round trip of a byte. */
static void ping_pong(struct metric *m, int to, int child_from, int child_to, int from)
{
	pid_t child = fork();
	if (child == 0) {
		if (to != child_to) {
			close(to);
			close(from);
		}
		echo(child_from, child_to);
	}
	if (child < 0 || !exchange(to, from))
		unavailable(m, "exchange");
	else
		MEASURE(m, exchange(to, from));
	stop(child);
}

static void pipes(void)
{
	struct metric m = metric("pipe round trip", "ticks", 1, ROUNDS);
	int there[2], back[2];
	if (pipe(there) || pipe(back)) {
		unavailable(&m, "pipe");
		return;
	}
	ping_pong(&m, there[1], there[0], back[1], back[0]);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

void socket_round_trip(const char *name)
{
	struct metric m = metric(name, "ticks", 1, ROUNDS);
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) {
		unavailable(&m, "socketpair");
		return;
	}
	ping_pong(&m, ends[0], ends[1], ends[1], ends[0]);
	close(ends[0]);
	close(ends[1]);
}

static void wait_until(atomic_int *word, int value)
{
	int seen;
	while ((seen = atomic_load(word)) != value)
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void hand_over(atomic_int *word, int value)
{
	atomic_store(word, value);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* The word says whose turn it is: 0 ours, 1 the child's. */
static void futexes(void)
{
	struct metric m = metric("futex round trip", "ticks", 1, ROUNDS);
	atomic_int *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turn == MAP_FAILED) {
		unavailable(&m, "shared memory");
		return;
	}
	pid_t child = fork();
	if (child == 0)
		for (;;) {
			wait_until(turn, 1);
			hand_over(turn, 0);
		}
	if (child < 0)
		unavailable(&m, "fork");
	else
		MEASURE(&m, (hand_over(turn, 1), wait_until(turn, 0)));
	stop(child);
	munmap(turn, 4096);
}

/* A byte goes round a ring of `count` processes; a hop is a write, a read, and a switch. */
static void ring(const char *name, int count)
{
	struct metric m = metric(name, "ticks", count, ROUNDS);
	int ends[RING_MAX][2];
	pid_t children[RING_MAX] = { 0 };
	int made = 0;
	while (made < count && pipe(ends[made]) == 0)
		made++;
	int whole = made == count;
	for (int i = 1; whole && i < count; i++) {
		children[i] = fork();
		if (children[i] == 0)
			echo(ends[i][0], ends[(i + 1) % count][1]);
		whole = children[i] > 0;
	}
	if (!whole || !exchange(ends[1][1], ends[0][0]))
		unavailable(&m, "ring");
	else
		MEASURE(&m, exchange(ends[1][1], ends[0][0]));
	for (int i = 1; i < count; i++)
		stop(children[i]);
	for (int i = 0; i < made; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* What a hop takes without a switch. */
static void pipe_alone(void)
{
	struct metric m = metric("pipe to oneself", "ticks", 1, ROUNDS);
	int ends[2];
	if (pipe(ends)) {
		unavailable(&m, "pipe");
		return;
	}
	MEASURE(&m, exchange(ends[1], ends[0]));
	close(ends[0]);
	close(ends[1]);
}

void switches(void)
{
	pipes();
	socket_round_trip("Unix socket round trip");
	futexes();
	pipe_alone();
	ring("2 processes, a hop", 2);
	ring("8 processes, a hop", RING_MAX);
}
