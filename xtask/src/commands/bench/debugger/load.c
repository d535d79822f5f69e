/* A program in the guest, to find out what a debugger costs it. `load NAME` measures a system call and a store, and prints NAME and what
 * either takes at least: ticks of the time stamp counter. `load` is for debugger.c: it stops with INT3 wherever that has to do
 * something, with the address of a function in rdi, of a word that is not measured, on the same page as one that is, in rsi, and of a page that
 * is not there in rdx. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE 4096
/* Measurements, and what each is of. */
#define ROUNDS 20
#define TIMES 10
/* Processes besides this one. */
#define CHILDREN 2

static volatile long page[PAGE / sizeof(long)] __attribute__((aligned(PAGE)));

static __attribute__((noinline)) void here(void)
{
	asm volatile("" ::: "memory");
}

static void call(void)
{
	syscall(SYS_getppid);
}

static void store(void)
{
	page[PAGE / sizeof(long) / 2]++;
}

static void measure(const char *name, const char *what, void (*body)(void))
{
	unsigned long least = -1ul, ticks;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		ticks = __rdtsc();
		for (i = 0; i < TIMES; i++)
			body();
		ticks = __rdtsc() - ticks;
		if (ticks < least)
			least = ticks;
	}
	printf("%s-%s %lu\n", name, what, least / TIMES);
	fflush(stdout);
}

static void stop(void *absent)
{
	asm volatile("int3" : : "D"(here), "S"(page), "d"(absent) : "memory");
}

int main(int argc, char **argv)
{
	void *absent;
	int i;

	if (argc > 1) {
		measure(argv[1], "call", call);
		measure(argv[1], "store", store);
		return 0;
	}
	for (i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			for (;;)
				pause();
	absent = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stop(absent);
	measure("attached", "call", call);
	measure("attached", "store", store);
	stop(absent);
	measure("pending", "call", call);
	stop(absent);
	measure("watched", "store", store);
	stop(absent);
	for (;;)
		here();
}
