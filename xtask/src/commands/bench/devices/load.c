/* Uses a disk and a network as hard as they go, and says how many ticks of the time stamp counter that took.
 *
 *   load serve PORT           peer of `net`: sends, or takes and acknowledges, what it is asked for
 *   load disk FILE            prints NAME COUNT TICKS for each measurement
 *   load net ADDRESS PORT     the same
 *
 * The disk is used with O_DIRECT and by io_submit(2), so that the guest's page cache has no part in it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define SMALL 4096
#define LARGE (1 << 20)
#define DEPTH 16
#define NET_BYTES (32u << 20)

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void report(const char *name, long count, uint64_t start)
{
	printf("load %s %ld %llu\n", name, count, (unsigned long long)(__rdtsc() - start));
	fflush(stdout);
}

/* Places to read or write: the same in each run. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void disk_run(const char *name, int fd, uint64_t size, int opcode, size_t block, int depth, long count)
{
	aio_context_t context = 0;
	struct iocb blocks[DEPTH], *one;
	struct io_event events[DEPTH];
	uint64_t state = 1, places = size / block;
	long begun = 0, done = 0;
	char *buffer;

	if (posix_memalign((void **)&buffer, SMALL, block * depth))
		die("memory");
	memset(buffer, 0x5a, block * depth);
	if (syscall(SYS_io_setup, depth, &context))
		die("io_setup");
	uint64_t start = __rdtsc();
	for (int slot = 0; slot < depth; slot++, begun++) {
		memset(&blocks[slot], 0, sizeof blocks[slot]);
		blocks[slot].aio_lio_opcode = opcode;
		blocks[slot].aio_fildes = fd;
		blocks[slot].aio_buf = (uintptr_t)(buffer + slot * block);
		blocks[slot].aio_nbytes = block;
		blocks[slot].aio_offset = (block == LARGE ? begun % places : next_random(&state) % places) * block;
		blocks[slot].aio_data = slot;
		one = &blocks[slot];
		if (syscall(SYS_io_submit, context, 1, &one) != 1)
			die("io_submit");
	}
	while (done < count) {
		long got = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
		if (got < 0)
			die("io_getevents");
		for (long i = 0; i < got; i++, done++) {
			if (events[i].res != (int64_t)block) {
				errno = -(int)events[i].res;
				die(name);
			}
			if (begun >= count)
				continue;
			one = &blocks[events[i].data];
			one->aio_offset =
				(block == LARGE ? begun % places : next_random(&state) % places) * block;
			begun++;
			if (syscall(SYS_io_submit, context, 1, &one) != 1)
				die("io_submit");
		}
	}
	report(name, done, start);
	syscall(SYS_io_destroy, context);
	free(buffer);
}

static void disk(const char *path)
{
	uint64_t size;
	int fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		die(path);
	/* The first use of everything is not measured. */
	disk_run("warm-up", fd, size, IOCB_CMD_PWRITE, LARGE, 1, size / LARGE);
	disk_run("read-4k-1", fd, size, IOCB_CMD_PREAD, SMALL, 1, 512);
	disk_run("write-4k-1", fd, size, IOCB_CMD_PWRITE, SMALL, 1, 512);
	disk_run("read-4k-16", fd, size, IOCB_CMD_PREAD, SMALL, DEPTH, 2048);
	disk_run("write-4k-16", fd, size, IOCB_CMD_PWRITE, SMALL, DEPTH, 2048);
	disk_run("read-1m", fd, size, IOCB_CMD_PREAD, LARGE, 2, 64);
	disk_run("write-1m", fd, size, IOCB_CMD_PWRITE, LARGE, 2, 64);
}

static char chunk[256 << 10];

static void all(int fd, int writing, size_t bytes)
{
	while (bytes) {
		size_t len = bytes < sizeof chunk ? bytes : sizeof chunk;
		ssize_t n = writing ? write(fd, chunk, len) : read(fd, chunk, len);
		if (n <= 0)
			die(writing ? "write" : "read");
		bytes -= n;
	}
}

/* A connection begins with what the guest does: 'd' downloads, 'u' uploads and is told when all has come. */
static void net_run(const char *name, struct sockaddr_in *peer, char what)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)peer, sizeof *peer))
		die("connect");
	uint64_t start = __rdtsc();
	if (write(fd, &what, 1) != 1)
		die("write");
	all(fd, what == 'u', NET_BYTES);
	if (what == 'u')
		all(fd, 0, 1);
	report(name, NET_BYTES, start);
	close(fd);
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die(host);
	return address;
}

static void serve(const char *port)
{
	struct sockaddr_in here = address("127.0.0.1", port);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 8))
		die("listen");
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		char what;
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			die("accept");
		if (read(fd, &what, 1) == 1) {
			all(fd, what == 'd', NET_BYTES);
			if (what == 'u')
				all(fd, 1, 1);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(argv[2]);
	} else if (argc == 3 && !strcmp(argv[1], "disk")) {
		disk(argv[2]);
	} else if (argc == 4 && !strcmp(argv[1], "net")) {
		struct sockaddr_in peer = address(argv[2], argv[3]);
		/* The first connection finds the peer's hardware address. */
		net_run("warm-up", &peer, 'u');
		net_run("download", &peer, 'd');
		net_run("upload", &peer, 'u');
	} else {
		fprintf(stderr, "usage: load serve PORT | disk FILE | net ADDRESS PORT\n");
		return 2;
	}
	return 0;
}
