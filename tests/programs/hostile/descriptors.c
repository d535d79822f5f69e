// Opens a file a great many times, makes pipes and duplicates until there is no descriptor: EMFILE, and all are free again.
//
// usage: descriptors DIRECTORY [OPENS [FILES]]     how often to open one (default 100 000), how many to make (default 3000)
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>

static void body(int opens)
{
    int opened = 0, failed = 0;
    for (int i = 0; i < opens; i++) {
        if (open("file", O_RDONLY) >= 0)
            opened++;
        else if (errno == EMFILE)
            failed++;
    }
    check(opened + failed == opens && failed > 0, "opened until there is no descriptor, and on", "%d, then EMFILE %d times", opened, failed);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    check(opened <= (long)limit.rlim_cur, "no more than the limit", "%d, limit %ld", opened, (long)limit.rlim_cur);
    int ends[2];
    check(pipe(ends) == -1 && errno == EMFILE, "pipe", "%m");
    check(dup(0) == -1 && errno == EMFILE, "dup", "%m");
    check(fcntl(0, F_DUPFD, 3) == -1 && errno == EMFILE, "F_DUPFD", "%m");
    check(dup2(0, 1 << 20) == -1 && errno == EBADF, "dup2 beyond the limit", "%m");
    check(dup2(0, 5) == 5, "dup2 onto one that is open", "%m");
    check(fcntl(0, F_DUPFD, 1 << 30) == -1 && errno == EINVAL, "F_DUPFD beyond the limit", "%m");
    check(close(5) == 0 && open("file", O_RDONLY) == 5, "the lowest that is free is taken", "%m");
}

int main(int argc, char **argv)
{
    if (argc < 2 || mkdir(argv[1], 0700) || chdir(argv[1]))
        return 2;
    close(open("file", O_CREAT | O_WRONLY, 0600));
    struct rlimit limit = {1024, 1024};
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit", "%m");
    int before = dup(0);
    close(before);
    body(argc > 2 ? atoi(argv[2]) : 100000);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    int after = dup(0);
    check(after == 3, "all are free again", "%d, before %d", after, before);
    close(after);
    // Many files, each with a name of its own.
    int made = 0, removed = 0, files = argc > 3 ? atoi(argv[3]) : 3000;
    char name[32];
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof name, "f%d", i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        made += fd >= 0 && close(fd) == 0;
    }
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof name, "f%d", i);
        removed += unlink(name) == 0;
    }
    check(made == files && removed == files, "many files", "%d made, %d removed, of %d", made, removed, files);
    unlink("file");
    check(chdir("..") == 0 && rmdir(argv[1]) == 0, "the directory can be removed", "%m");
    return finish();
}
