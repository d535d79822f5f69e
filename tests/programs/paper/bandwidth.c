/* Much data: through a pipe, from a file, from a mapped file. Figures are per byte. */
#include "measure.h"
#include "paper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, ROUND = 1 << 20, ROUNDS = 50 };

static char block[BLOCK] __attribute__((aligned(4096)));

/* Reads `size` bytes. Whether they came. */
static int read_all(int fd, size_t size)
{
	while (size > 0) {
		ssize_t got = read(fd, block, BLOCK);
		if (got <= 0)
			return 0;
		size -= (size_t)got < size ? (size_t)got : size;
	}
	return 1;
}

static void pipes(void)
{
	struct metric m = metric("pipe, 64 KiB at a time", "ticks/byte", ROUND, ROUNDS);
	int ends[2];
	if (pipe(ends)) {
		unavailable(&m, "pipe");
		return;
	}
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		while (write(ends[1], block, BLOCK) > 0)
			;
		_exit(0);
	}
	close(ends[1]);
	if (child < 0 || !read_all(ends[0], ROUND))
		unavailable(&m, "pipe");
	else
		MEASURE(&m, read_all(ends[0], ROUND));
	close(ends[0]);
	stop(child);
}

static void files(void)
{
	struct metric read_again = metric("file re-read, 64 KiB at a time", "ticks/byte", ROUND, ROUNDS);
	struct metric map_again = metric("mmap re-read", "ticks/byte", ROUND, ROUNDS);
	char name[] = "/tmp/paper-XXXXXX";
	int fd = mkstemp(name), written = 0;
	while (fd >= 0 && written < ROUND && write(fd, block, BLOCK) == BLOCK)
		written += BLOCK;
	if (written < ROUND) {
		unavailable(&read_again, name);
		unavailable(&map_again, name);
		return;
	}
	unlink(name);
	MEASURE(&read_again, (lseek(fd, 0, SEEK_SET), read_all(fd, ROUND)));

	const volatile uint64_t *words = mmap(NULL, ROUND, PROT_READ, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED) {
		unavailable(&map_again, "mmap");
	} else {
		MEASURE(&map_again, for (size_t i = 0; i < ROUND / sizeof *words; i++) (void)words[i]);
		munmap((void *)words, ROUND);
	}
	close(fd);
}

void bandwidth(void)
{
	memset(block, 'x', sizeof block);
	pipes();
	files();
}
