/* Memory: mapping a file, first touches, and what a garbage collector does with protection (Appel and Li, ASPLOS 1991). */
#include "measure.h"
#include "paper.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 128, FILE_SIZE = 512 << 10, ROUNDS = 300 };

static char *region;
static volatile ticks fault_seen;

/* Maps a file, reads a byte of every fourth page, unmaps it: lmbench's lat_mmap. */
static void map_file(void)
{
	struct metric m = metric("mmap of 512 KiB", "ticks", 1, ROUNDS);
	char name[] = "/tmp/paper-XXXXXX";
	int fd = mkstemp(name);
	if (fd < 0 || ftruncate(fd, FILE_SIZE)) {
		unavailable(&m, name);
		return;
	}
	unlink(name);
	while (more(&m)) {
		ticks t0 = begin(&m);
		volatile char *at = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		if (at == MAP_FAILED) {
			unavailable(&m, "mmap");
			close(fd);
			return;
		}
		for (int i = 0; i < FILE_SIZE; i += 4 * PAGE)
			(void)at[i];
		munmap((void *)at, FILE_SIZE);
		add(&m, now() - t0);
	}
	report(&m);
	close(fd);
}

/* First touch of anonymous memory: a round touches many pages, since who answers one fault may give several. */
static void touch(void)
{
	struct metric m = metric("first touch, a page", "ticks", PAGES, ROUNDS);
	while (more(&m)) {
		char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED) {
			unavailable(&m, "mmap");
			return;
		}
		ticks t0 = begin(&m);
		for (int i = 0; i < PAGES; i++)
			((volatile char *)at)[i * PAGE] = 1;
		add(&m, now() - t0);
		munmap(at, PAGES * PAGE);
	}
	report(&m);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	fault_seen = now();
	(void)signal, (void)context;
	mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

static void write_to(int page)
{
	((volatile char *)region)[page * PAGE] = 1;
}

/* From a write to a protected page to the handler's first instructions. */
static void trap(void)
{
	struct metric m = metric("trap", "ticks", 1, ROUNDS);
	for (int page = 0; more(&m); page = (page + 1) % PAGES) {
		mprotect(region + page * PAGE, PAGE, PROT_READ);
		ticks t0 = begin(&m);
		write_to(page);
		add(&m, fault_seen - t0);
	}
	report(&m);
}

/* Protect a page, write to it, unprotect it in the handler. */
static void appel1(void)
{
	struct metric m = metric("Appel1", "ticks", 1, ROUNDS);
	for (int page = 0; more(&m); page = (page + 37) % PAGES) {
		ticks t0 = begin(&m);
		mprotect(region + page * PAGE, PAGE, PROT_READ);
		write_to(page);
		add(&m, now() - t0);
	}
	report(&m);
}

/* Protect all pages at once, write to each, unprotect it in the handler; for each page. */
static void appel2(void)
{
	struct metric m = metric("Appel2", "ticks", PAGES, ROUNDS / 5);
	while (more(&m)) {
		ticks t0 = begin(&m);
		mprotect(region, PAGES * PAGE, PROT_READ);
		for (int i = 0; i < PAGES; i++)
			write_to(i * 37 % PAGES);
		add(&m, now() - t0);
	}
	report(&m);
}

void memory(void)
{
	map_file();
	touch();
	region = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, before;
	if (region == MAP_FAILED || sigaction(SIGSEGV, &action, &before)) {
		struct metric none = metric("trap", "ticks", 1, 1);
		unavailable(&none, "memory and a handler for its faults");
		return;
	}
	for (int i = 0; i < PAGES; i++)
		write_to(i);
	trap();
	appel1();
	appel2();
	sigaction(SIGSEGV, &before, NULL);
	munmap(region, PAGES * PAGE);
}
