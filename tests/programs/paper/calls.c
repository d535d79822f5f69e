/* System calls that do next to nothing. The SYSCALL instruction stands in the loop: no library is measured. */
#include "measure.h"
#include "paper.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

/* A number that Linux will not give to a call soon. */
enum { UNKNOWN_CALL = 999, ROUNDS = 2000 };

void calls(void)
{
	struct metric pid = metric("getpid", "ticks", 1, ROUNDS);
	MEASURE(&pid, call(SYS_getpid, 0, 0, 0));
	struct metric parent = metric("getppid", "ticks", 1, ROUNDS);
	MEASURE(&parent, call(SYS_getppid, 0, 0, 0));
	struct metric unknown = metric("unknown call", "ticks", 1, ROUNDS);
	MEASURE(&unknown, call(UNKNOWN_CALL, 0, 0, 0));

	char byte = 0;
	struct metric write = metric("write to /dev/null", "ticks", 1, ROUNDS);
	int null = open("/dev/null", O_WRONLY);
	if (null < 0)
		unavailable(&write, "/dev/null");
	else
		MEASURE(&write, call(SYS_write, null, (long)&byte, 1));
	close(null);

	struct metric read = metric("read from /dev/zero", "ticks", 1, ROUNDS);
	int zero = open("/dev/zero", O_RDONLY);
	if (zero < 0)
		unavailable(&read, "/dev/zero");
	else
		MEASURE(&read, call(SYS_read, zero, (long)&byte, 1));
	close(zero);
}
