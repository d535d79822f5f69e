// Passes bad pointers to every system call that takes one: the answer is EFAULT, for each kind of bad pointer, as
// Linux gives it when everything else about the call is right.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

// Marks the argument that is to be the bad pointer.
#define BAD ((long)0x5bad5bad5bad5bad)

enum use { IN = 1, OUT = 2, PATH = 4 };

struct row {
    const char *name;
    long number;
    enum use use;
    long args[6];
};

static int file, directory, to;
static char buffer[4096];
static struct timespec moment;
static struct iovec good_iov, bad_iov;

#define P(x) ((long)(x))

static void check_rows(void)
{
    static char *const no_strings[] = {NULL};
    // A path is read, a buffer is read (IN) or written (OUT).
    const struct row rows[] = {
        {"read", SYS_read, OUT, {file, BAD, 8}},
        {"pread64", SYS_pread64, OUT, {file, BAD, 8, 0}},
        {"write", SYS_write, IN, {file, BAD, 8}},
        {"pwrite64", SYS_pwrite64, IN, {file, BAD, 8, 0}},
        {"write to a pipe", SYS_write, IN, {to, BAD, 8}},
        {"readv, the vector", SYS_readv, IN, {file, BAD, 1}},
        {"writev, the vector", SYS_writev, IN, {file, BAD, 1}},
        {"open", SYS_open, PATH, {BAD, O_RDONLY}},
        {"openat", SYS_openat, PATH, {AT_FDCWD, BAD, O_RDONLY}},
        {"creat", SYS_creat, PATH, {BAD, 0600}},
        {"stat, path", SYS_stat, PATH, {BAD, P(buffer)}},
        {"stat, buffer", SYS_stat, OUT, {P("."), BAD}},
        {"lstat, buffer", SYS_lstat, OUT, {P("."), BAD}},
        {"fstat", SYS_fstat, OUT, {file, BAD}},
        {"newfstatat, path", SYS_newfstatat, PATH, {AT_FDCWD, BAD, P(buffer), 0}},
        {"newfstatat, buffer", SYS_newfstatat, OUT, {AT_FDCWD, P("."), BAD, 0}},
        {"statx, buffer", SYS_statx, OUT, {AT_FDCWD, P("."), 0, STATX_BASIC_STATS, BAD}},
        {"access", SYS_access, PATH, {BAD, F_OK}},
        {"faccessat", SYS_faccessat, PATH, {AT_FDCWD, BAD, F_OK}},
        {"poll", SYS_poll, IN, {BAD, 1, 0}},
        {"select", SYS_select, IN, {8, BAD, 0, 0, P(&moment)}},
        {"pipe", SYS_pipe, OUT, {BAD}},
        {"pipe2", SYS_pipe2, OUT, {BAD, 0}},
        {"getdents64", SYS_getdents64, OUT, {directory, BAD, 4096}},
        {"getcwd", SYS_getcwd, OUT, {BAD, 4096}},
        {"chdir", SYS_chdir, PATH, {BAD}},
        {"mkdir", SYS_mkdir, PATH, {BAD, 0700}},
        {"mkdirat", SYS_mkdirat, PATH, {AT_FDCWD, BAD, 0700}},
        {"rmdir", SYS_rmdir, PATH, {BAD}},
        {"unlink", SYS_unlink, PATH, {BAD}},
        {"unlinkat", SYS_unlinkat, PATH, {AT_FDCWD, BAD, 0}},
        {"rename, old", SYS_rename, PATH, {BAD, P("new")}},
        {"rename, new", SYS_rename, PATH, {P("."), BAD}},
        {"link", SYS_link, PATH, {BAD, P("new")}},
        {"symlink, target", SYS_symlink, PATH, {BAD, P("new")}},
        {"symlink, name", SYS_symlink, PATH, {P("target"), BAD}},
        {"readlink, path", SYS_readlink, PATH, {BAD, P(buffer), 64}},
        {"readlink, buffer", SYS_readlink, OUT, {P("link"), BAD, 64}},
        {"chmod", SYS_chmod, PATH, {BAD, 0600}},
        {"truncate", SYS_truncate, PATH, {BAD, 0}},
        {"utimensat, path", SYS_utimensat, PATH, {AT_FDCWD, BAD, 0, 0}},
        {"utimensat, times", SYS_utimensat, IN, {AT_FDCWD, P("."), BAD, 0}},
        {"execve, path", SYS_execve, PATH, {BAD, P(no_strings), P(no_strings)}},
        {"execve, arguments", SYS_execve, IN, {P("/bin/busybox"), BAD, P(no_strings)}},
        {"execve, environment", SYS_execve, IN, {P("/bin/busybox"), P(no_strings), BAD}},
        {"uname", SYS_uname, OUT, {BAD}},
        {"sysinfo", SYS_sysinfo, OUT, {BAD}},
        {"times", SYS_times, OUT, {BAD}},
        {"getrusage", SYS_getrusage, OUT, {RUSAGE_SELF, BAD}},
        {"getrlimit", SYS_getrlimit, OUT, {RLIMIT_NOFILE, BAD}},
        {"setrlimit", SYS_setrlimit, IN, {RLIMIT_NOFILE, BAD}},
        {"prlimit64, new", SYS_prlimit64, IN, {0, RLIMIT_NOFILE, BAD, 0}},
        {"prlimit64, old", SYS_prlimit64, OUT, {0, RLIMIT_NOFILE, 0, BAD}},
        {"gettimeofday", SYS_gettimeofday, OUT, {BAD, 0}},
        {"clock_gettime", SYS_clock_gettime, OUT, {0, BAD}},
        {"clock_getres", SYS_clock_getres, OUT, {0, BAD}},
        {"nanosleep", SYS_nanosleep, IN, {BAD, 0}},
        {"clock_nanosleep", SYS_clock_nanosleep, IN, {1, 0, BAD, 0}},
        {"time", SYS_time, OUT, {BAD}},
        {"setitimer", SYS_setitimer, IN, {0, BAD, 0}},
        {"getitimer", SYS_getitimer, OUT, {0, BAD}},
        {"rt_sigaction, new", SYS_rt_sigaction, IN, {SIGUSR1, BAD, 0, 8}},
        {"rt_sigaction, old", SYS_rt_sigaction, OUT, {SIGUSR1, 0, BAD, 8}},
        {"rt_sigprocmask, new", SYS_rt_sigprocmask, IN, {SIG_BLOCK, BAD, 0, 8}},
        {"rt_sigprocmask, old", SYS_rt_sigprocmask, OUT, {SIG_BLOCK, 0, BAD, 8}},
        {"rt_sigpending", SYS_rt_sigpending, OUT, {BAD, 8}},
        {"rt_sigsuspend", SYS_rt_sigsuspend, IN, {BAD, 8}},
        {"sigaltstack, new", SYS_sigaltstack, IN, {BAD, 0}},
        {"sigaltstack, old", SYS_sigaltstack, OUT, {0, BAD}},
        {"getrandom", SYS_getrandom, OUT, {BAD, 16, 0}},
    };
    struct bad {
        const char *what;
        char *address;
        unsigned uses; // calls for which it is bad
    } bad[] = {
        {"unmapped", (char *)0x1008, IN | OUT | PATH},
        {"protected", pages(1, PROT_NONE), IN | OUT | PATH},
        {"read-only", pages(1, PROT_READ), OUT},
        {"not canonical", (char *)0x800000000000, IN | OUT | PATH},
        {"the kernel's", (char *)0xffff800000000000, IN | OUT | PATH},
        {"the kernel's image", (char *)0xffffffff80100000, IN | OUT | PATH},
        {"the last bytes", (char *)-8, IN | OUT | PATH},
        {"without an end", NULL, PATH},
    };
    char *two = pages(2, PROT_READ | PROT_WRITE);
    munmap(two + 4096, 4096);
    bad[7].address = memset(two + 4096 - 16, 'x', 16);

    for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
        const struct row *row = &rows[r];
        char detail[256] = "";
        for (unsigned b = 0; b < sizeof bad / sizeof *bad; b++) {
            long a[6];
            if (!(bad[b].uses & row->use))
                continue;
            for (int i = 0; i < 6; i++)
                a[i] = row->args[i] == BAD ? P(bad[b].address) : row->args[i];
            lseek(file, 0, SEEK_SET);
            lseek(directory, 0, SEEK_SET);
            long result = syscall(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
            int error = result == -1 ? errno : 0;
            if (error != EFAULT && !detail[0])
                snprintf(detail, sizeof detail, "%s: result %ld, %s", bad[b].what, result, strerror(error));
        }
        check(!detail[0], row->name, "%s", detail);
    }
}

static void check_lengths(void)
{
    good_iov = (struct iovec){buffer, 8};
    bad_iov = (struct iovec){(void *)0x1008, 8};
    lseek(file, 0, SEEK_SET);
    check(readv(file, &bad_iov, 1) == -1 && errno == EFAULT, "readv, what the vector says", "%m");
    check(writev(file, &bad_iov, 1) == -1 && errno == EFAULT, "writev, what the vector says", "%m");
    check(syscall(SYS_readv, file, &good_iov, -1) == -1 && errno == EINVAL, "readv, -1 parts", "%m");
    check(syscall(SYS_readv, file, &good_iov, 1 << 20) == -1 && errno == EINVAL, "readv, a million parts", "%m");
    good_iov.iov_len = SIZE_MAX;
    check(readv(file, &good_iov, 1) == -1 && errno == EINVAL, "readv, a negative length", "%m");
    check(mmap((void *)-4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM,
          "mmap of the last page", "%m");
    check(mmap((void *)0xffff800000000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
              errno == ENOMEM, "mmap of the kernel", "%m");
    check(mmap(NULL, SIZE_MAX - 8191, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM,
          "mmap of everything", "%m");
    check(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL, "mmap of nothing", "%m");
    check(mmap((void *)0x10000001, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL,
          "mmap, unaligned", "%m");
    check(munmap((void *)1, 4096) == -1 && errno == EINVAL, "munmap, unaligned", "%m");
    check(munmap((void *)0x10000000, SIZE_MAX) == -1 && errno == EINVAL, "munmap of everything", "%m");
    check(mprotect((void *)0x1000, 4096, PROT_READ) == -1 && errno == ENOMEM, "mprotect of nothing", "%m");
    check(mprotect((void *)0xffff800000000000, 4096, PROT_READ) == -1 && errno == ENOMEM, "mprotect of the kernel", "%m");
    long old = syscall(SYS_brk, 0L);
    check(syscall(SYS_brk, -1L) == old, "brk to the end", "%#lx", syscall(SYS_brk, 0L));
    check(syscall(SYS_brk, 1L) == old, "brk to the beginning", "%#lx", syscall(SYS_brk, 0L));
    check(syscall(SYS_poll, 0x1008, -1, 0) == -1 && errno == EINVAL, "poll, -1 files", "%m");
    check(syscall(SYS_arch_prctl, 0x1002, 0xffff800000000000) == -1 && errno == EPERM, "FS base in the kernel", "%m");
    check(syscall(451 + 500, 0, 0, 0) == -1 && errno == ENOSYS, "a call that does not exist", "%m");
    check(syscall(-1) == -1 && errno == ENOSYS, "call -1", "%m");
}

static int lowest_descriptor(void)
{
    int fd = dup(file);
    close(fd);
    return fd;
}

// The error paths above must not have leaked or broken anything.
static void check_after(int lowest)
{
    int ends[2];
    check(lowest_descriptor() == lowest, "no descriptor was leaked", "%d after %d", lowest_descriptor(), lowest);
    check(pipe(ends) == 0 && write(ends[1], "x", 1) == 1 && read(ends[0], buffer, 1) == 1, "a pipe works", "%m");
    struct stat st;
    check(fstat(file, &st) == 0 && st.st_size == 64, "the file is as it was", "%ld bytes", (long)st.st_size);
}

int main(int argc, char **argv)
{
    int ends[2];
    if (argc < 2 || mkdir(argv[1], 0700) || chdir(argv[1])) {
        perror("usage: pointers DIRECTORY");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    file = open("file", O_CREAT | O_RDWR, 0600);
    memset(buffer, 'f', 64);
    if (write(file, buffer, 64) != 64 || symlink("target", "link") || pipe(ends))
        return 2;
    directory = open(".", O_RDONLY);
    to = ends[1];
    int lowest = lowest_descriptor();
    check_rows();
    check_lengths();
    check_after(lowest);
    close(file);
    unlink("file");
    unlink("link");
    return (chdir("..") || rmdir(argv[1])) + finish();
}
