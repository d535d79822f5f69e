// Writes 1 GiB to the file system, which is memory: ENOSPC when it is full, and all of it is back when the file is gone.
//
// usage: fill DIRECTORY
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>

enum { CHUNK = 1 << 20, CHUNKS = 1024 };
static char chunk[CHUNK];

static long fill(const char *name, int *error)
{
    long total = 0;
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    *error = fd < 0 ? errno : 0;
    for (int i = 0; i < CHUNKS && fd >= 0; i++) {
        ssize_t n = write(fd, chunk, CHUNK);
        if (n < 0) {
            *error = errno;
            break;
        }
        total += n;
    }
    struct stat st;
    check(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == total, "the file is as long as what was written", "%ld", total);
    close(fd);
    return total;
}

int main(int argc, char **argv)
{
    int error, again;
    if (argc < 2 || mkdir(argv[1], 0700) || chdir(argv[1]))
        return 2;
    memset(chunk, 'x', CHUNK);
    long first = fill("full", &error);
    check(error == ENOSPC || error == ENOMEM, "the file system was filled", "%s after %ld MiB", strerror(error), first >> 20);
    int fd = open("small", O_CREAT | O_WRONLY, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, chunk, CHUNK);
    check(n < CHUNK, "another file gets nothing", "%zd", n);
    close(fd);
    // A program that needs memory gets an error or is killed, and that is all.
    pid_t pid = fork();
    if (pid == 0) {
        char *more = malloc(64 << 20);
        if (more)
            memset(more, 1, 64 << 20);
        _exit(0);
    }
    check(pid < 0 || waitpid(pid, NULL, 0) == pid, "a process in need of memory ends", "%m");
    check(unlink("full") == 0, "the file can be removed", "%m");
    unlink("small");
    long second = fill("again", &again);
    check(again == error, "filled again in the same way", "%s", strerror(again));
    // What is lost may be fragments and directory blocks, not more.
    check(second >= first - first / 20 - (1 << 20), "all of it was free again", "%ld MiB, then %ld MiB", first >> 20, second >> 20);
    unlink("again");
    check(chdir("..") == 0 && rmdir(argv[1]) == 0, "the directory can be removed", "%m");
    return finish();
}
