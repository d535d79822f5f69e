/* What a debugger's commands take: speaks gdb's protocol with a ukvmm that it starts, whose guest runs load.c, and sends what gdb sends.
 *
 *   debugger SOCKET UKVMM ARGUMENTS...
 *
 * Prints lines NAME TICKS, what a command takes at least, among what the guest prints, and `frequency HERTZ` of the time stamp counter. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROUNDS 50
/* A register in the answer to `g`: its number times this. */
#define DIGITS 16
#define RDX 3
#define RSI 4
#define RDI 5
#define RIP 16
#define ALL "c:p-1.-1"

static int connection;
static char answer[1 << 18];
/* The thread that has stopped, as in "p5.1". */
static char thread[32];
/* A function that the program calls again and again at its end. */
static uint64_t here;

static void die(const char *what)
{
	fprintf(stderr, "debugger: %s: %s\n", what, answer);
	exit(1);
}

static unsigned long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ul + now.tv_nsec;
}

static void measure(const char *name, void (*command)(void))
{
	unsigned long least = -1ul, ticks;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ticks = __rdtsc();
		command();
		ticks = __rdtsc() - ticks;
		if (ticks < least)
			least = ticks;
	}
	printf("%s %lu\n", name, least);
	fflush(stdout);
}

static void put(const char *body)
{
	char packet[256];
	unsigned char sum = 0;
	const char *byte;

	for (byte = body; *byte; byte++)
		sum += *byte;
	snprintf(packet, sizeof packet, "$%s#%02x", body, sum);
	if (write(connection, packet, strlen(packet)) != (ssize_t)strlen(packet))
		die("ukvmm is gone");
}

/* The next packet's body is in `answer`. */
static void get(void)
{
	static char bytes[1 << 16];
	static size_t have, used;
	size_t length = 0;
	int after = -1;

	while (after != 2) {
		if (used == have) {
			ssize_t count = read(connection, bytes, sizeof bytes);

			if (count <= 0)
				die("ukvmm says nothing");
			have = count;
			used = 0;
		}
		char byte = bytes[used++];
		if (after >= 0)
			after++;
		else if (byte == '$')
			length = 0;
		else if (byte == '#')
			after = 0;
		else if (length < sizeof answer - 1)
			answer[length++] = byte;
	}
	answer[length] = 0;
}

static const char *ask(const char *body)
{
	put(body);
	get();
	return answer;
}

static void expect(const char *body, const char *expected)
{
	if (strcmp(ask(body), expected))
		die(body);
}

/* Waits until the machine has stopped, for another reason than that a program starts. */
static void wait_for_stop(void)
{
	const char *id;

	for (;;) {
		get();
		if (answer[0] == 'O')
			continue;
		if (answer[0] != 'T' || !(id = strstr(answer, "thread:")))
			die("no stop");
		if (!strstr(answer, "library:") && !strstr(answer, "exec:"))
			break;
		put("vCont;" ALL);
	}
	snprintf(thread, sizeof thread, "%.*s", (int)strcspn(id + 7, ";"), id + 7);
}

static void resume(void)
{
	put("vCont;" ALL);
	wait_for_stop();
}

static void select_thread(const char *id)
{
	char body[sizeof thread + 2];

	snprintf(body, sizeof body, "Hg%.*s", (int)sizeof thread - 1, id);
	expect(body, "OK");
}

/* A register out of the answer to `g`. */
static uint64_t read_register(int number)
{
	char digits[DIGITS + 1] = "";

	memcpy(digits, answer + number * DIGITS, DIGITS);
	return __builtin_bswap64(strtoull(digits, NULL, 16));
}

/* `what` is the packet, such as "Z0". */
static void point(const char *what, uint64_t address, int length)
{
	char body[64];

	snprintf(body, sizeof body, "%s,%lx,%x", what, (unsigned long)address, length);
	expect(body, "OK");
}

static void step(const char *others)
{
	char body[64];

	snprintf(body, sizeof body, "vCont;s:%s%s", thread, others);
	put(body);
	wait_for_stop();
}

/* `info threads`: the list, and each one's registers and instruction. */
static void list_threads(void)
{
	char ids[64][32], body[64], *at;
	int count = 0, i;

	at = (char *)ask("qXfer:threads:read::0,8000");
	while (count < 64 && (at = strstr(at, "id=\"")) != NULL) {
		at += 4;
		snprintf(ids[count++], sizeof ids[0], "%.*s", (int)strcspn(at, "\""), at);
	}
	if (count < 9)
		die("too few threads");
	for (i = 0; i < count; i++) {
		select_thread(ids[i]);
		ask("g");
		snprintf(body, sizeof body, "m%lx,1", (unsigned long)read_register(RIP));
		ask(body);
	}
}

static void connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int tries;

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	connection = socket(AF_UNIX, SOCK_STREAM, 0);
	for (tries = 0; connect(connection, (struct sockaddr *)&address, sizeof address); tries++) {
		if (tries == 1000)
			die(strerror(errno));
		usleep(10000);
	}
	if (write(connection, "+", 1) != 1)
		die("ukvmm is gone");
	ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+");
	expect("QStartNoAckMode", "OK");
	if (write(connection, "+", 1) != 1)
		die("ukvmm is gone");
	expect("!", "OK");
}

static void step_alone(void)
{
	step("");
}

static void step_with_others(void)
{
	step(";" ALL);
}

/* gdb takes a breakpoint out to step over it. */
static void go_round(void)
{
	ask("g");
	point("z0", here, 1);
	step("");
	point("Z0", here, 1);
	resume();
}

static void interrupt(void)
{
	put("vCont;" ALL);
	if (write(connection, "\3", 1) != 1)
		die("ukvmm is gone");
	wait_for_stop();
}

int main(int argc, char **argv)
{
	unsigned long time, ticks;
	uint64_t word, absent;
	pid_t ukvmm;

	if (argc < 3)
		die("debugger SOCKET UKVMM ARGUMENTS...");
	ukvmm = fork();
	if (ukvmm == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	connect_to(argv[1]);
	time = nanoseconds();
	ticks = __rdtsc();
	/* Before the kernel's first instruction. */
	strcpy(thread, "p10000.1");
	measure("kernel-step", step_alone);
	resume();
	ask("g");
	here = read_register(RDI);
	word = read_register(RSI);
	absent = read_register(RDX);
	/* The first list after a stop does not have all: see `lists.rs` of the VMM. */
	ask("qXfer:threads:read::0,8000");
	measure("threads", list_threads);
	/* The program measures now, and stops whenever something is to be changed. */
	resume();
	select_thread(thread);
	point("Z0", absent, 1);
	resume();
	select_thread(thread);
	point("z0", absent, 1);
	point("Z2", word, 8);
	resume();
	select_thread(thread);
	point("z2", word, 8);
	point("Z0", here, 1);
	resume();
	measure("breakpoint", go_round);
	point("z0", here, 1);
	measure("step", step_with_others);
	measure("interrupt", interrupt);
	put("k");
	ticks = __rdtsc() - ticks;
	time = nanoseconds() - time;
	printf("frequency %.0f\n", ticks * 1e9 / time);
	return waitpid(ukvmm, NULL, 0) == ukvmm ? 0 : 1;
}
