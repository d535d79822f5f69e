// Executes files that are no programs, or are ELF files with anything wrong in them: an error or the death of the child
// that tried, and nothing else.
//
// usage: elves DIRECTORY
#include "check.h"
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

static unsigned char image[8192];

// A program that exits with 55: ELF header, two program headers, code.
static void good_image(void)
{
    static const unsigned char code[] = {0xb8, 60, 0, 0, 0, 0xbf, 55, 0, 0, 0, 0x0f, 0x05};
    memset(image, 0, sizeof image);
    Elf64_Ehdr *e = (Elf64_Ehdr *)image;
    memcpy(e->e_ident, ELFMAG, SELFMAG);
    e->e_ident[EI_CLASS] = ELFCLASS64;
    e->e_ident[EI_DATA] = ELFDATA2LSB;
    e->e_ident[EI_VERSION] = EV_CURRENT;
    e->e_type = ET_EXEC;
    e->e_machine = EM_X86_64;
    e->e_version = EV_CURRENT;
    e->e_entry = 0x401000;
    e->e_phoff = sizeof *e;
    e->e_ehsize = sizeof *e;
    e->e_phentsize = sizeof(Elf64_Phdr);
    e->e_phnum = 2;
    Elf64_Phdr *p = (Elf64_Phdr *)(image + sizeof *e);
    p[0] = (Elf64_Phdr){PT_LOAD, PF_R, 0, 0x400000, 0x400000, 4096, 4096, 4096};
    p[1] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 4096, 0x401000, 0x401000, 4096, 8192, 4096};
    memcpy(image + 4096, code, sizeof code);
}

// Writes the image and executes it. Returns the exit status, 1000 + errno if it could not be executed, 2000 + signal.
static int execute(size_t size)
{
    int fd = open("program", O_CREAT | O_TRUNC | O_WRONLY, 0700), status;
    if (fd < 0 || write(fd, image, size) != (ssize_t)size || close(fd))
        return -1;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(2);
        execl("./program", "program", NULL);
        int error = errno;
        _exit(write(ends[1], &error, sizeof error) == sizeof error ? 99 : 98);
    }
    close(ends[1]);
    int error = 0;
    ssize_t n = read(ends[0], &error, sizeof error);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (n == sizeof error && WIFEXITED(status))
        return 1000 + error;
    return WIFSIGNALED(status) ? 2000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static unsigned seed = 12345;
static unsigned chance(void)
{
    seed = seed * 1103515245 + 12345;
    return seed >> 8;
}

int main(int argc, char **argv)
{
    if (argc < 2 || mkdir(argv[1], 0700) || chdir(argv[1]))
        return 2;
    // Dying is expected; the files that it would leave are not.
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    good_image();
    int status = execute(sizeof image);
    check(status == 55, "a good program", "%d", status);
    status = execute(0);
    check(status == 1000 + ENOEXEC, "an empty file", "%d", status);
    memcpy(image, "plain text\n", 11);
    status = execute(11);
    check(status == 1000 + ENOEXEC, "text", "%d", status);
    memcpy(image, "#!", 2);
    status = execute(2);
    check(status > 1000 && status < 2000, "#! and nothing", "%d", status);
    memcpy(image, "#!/no/such\n", 11);
    status = execute(11);
    check(status == 1000 + ENOENT, "an interpreter that is not there", "%d", status);
    memcpy(image, "#!./program\n", 12);
    status = execute(12);
    check(status == 1000 + ELOOP, "a script that is its own interpreter", "%d", status);

    Elf64_Ehdr *e = (Elf64_Ehdr *)image;
    Elf64_Phdr *p = (Elf64_Phdr *)(image + sizeof *e);
    static const struct {
        const char *name;
        int offset, size;
        unsigned long value;
    } changes[] = {
        {"another magic number", EI_MAG1, 1, 'F'},
        {"another machine", offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64},
        {"relocatable", offsetof(Elf64_Ehdr, e_type), 2, ET_REL},
        {"headers of another size", offsetof(Elf64_Ehdr, e_phentsize), 2, 8},
        {"no headers", offsetof(Elf64_Ehdr, e_phnum), 2, 0},
        {"65535 headers", offsetof(Elf64_Ehdr, e_phnum), 2, 65535},
    };
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        good_image();
        memcpy(image + changes[i].offset, &changes[i].value, changes[i].size);
        status = execute(sizeof image);
        check(status == 1000 + ENOEXEC, changes[i].name, "%d", status);
    }
    // What happens to these depends on how far the loader gets before it sees; that it ends is the point.
    static const unsigned long hostile[] = {0, 1, 0xfff, 0x800000000000, 0x7ffffffff000, 0xffff800000000000, 0xffffffffffffffff,
                                            0x7fffffffffffffff, 0x7fff00000000, 0x7f0000000000};
    int bad = 0;
    for (unsigned i = 0; i < sizeof hostile / sizeof *hostile; i++)
        for (int field = 0; field < 7; field++) {
            good_image();
            unsigned long *const fields[] = {&e->e_entry, &e->e_phoff, &p[1].p_offset, &p[1].p_vaddr, &p[1].p_filesz, &p[1].p_memsz, &p[1].p_align};
            *fields[field] = hostile[i];
            status = execute(sizeof image);
            if (status < 0)
                bad++;
        }
    check(bad == 0, "hostile fields", "%d of them had no end", bad);
    // An interpreter segment that has no name, or points out of the file.
    good_image();
    p[0].p_type = PT_INTERP;
    p[0].p_offset = 0xffffffffffff0000;
    status = execute(sizeof image);
    check(status > 1000, "an interpreter's name out of the file", "%d", status);

    for (int size = 1; size < (int)sizeof image; size += size < 256 ? 7 : 509) {
        good_image();
        if (execute(size) < 0)
            bad++;
    }
    check(bad == 0, "cut off", "%d had no end", bad);
    for (int round = 0; round < 200; round++) {
        good_image();
        for (unsigned n = chance() % 8 + 1; n; n--)
            image[chance() % (sizeof *e + 2 * sizeof *p)] = chance();
        if (execute(sizeof image) < 0)
            bad++;
    }
    check(bad == 0, "200 times fuzzed", "%d had no end", bad);
    good_image();
    status = execute(sizeof image);
    check(status == 55, "a good program, at the end", "%d", status);
    unlink("program");
    check(chdir("..") == 0 && rmdir(argv[1]) == 0, "the directory can be removed", "%m");
    return finish();
}
