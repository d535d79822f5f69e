// Unmaps and protects what it stands on: its text, its stack, its data, everything. It dies of SIGSEGV; others do not.
#include "check.h"
#include <sys/syscall.h>

static int data = 1;
extern char __executable_start, etext;

static uintptr_t page_of(const void *p) { return (uintptr_t)p & ~4095UL; }

static void unmap_text(void *unused)
{
    (void)unused;
    uintptr_t start = page_of(&__executable_start);
    munmap((void *)start, (uintptr_t)&etext - start);
}

static void unmap_stack(void *unused)
{
    (void)unused;
    uintptr_t here = page_of(__builtin_frame_address(0));
    munmap((void *)(here - (64 << 10)), 256 << 10);
    *(volatile char *)__builtin_frame_address(0);
}

static void unmap_data(void *unused)
{
    (void)unused;
    munmap((void *)page_of(&data), 4096);
    *(volatile int *)&data = 2;
}

static void unmap_everything(void *unused)
{
    (void)unused;
    munmap(NULL, 0x7f0000000000);
}

static void protect_text(void *unused)
{
    (void)unused;
    uintptr_t start = page_of(&__executable_start);
    mprotect((void *)start, (uintptr_t)&etext - start, PROT_READ);
}

static void write_text(void *unused)
{
    (void)unused;
    *(volatile char *)unmap_text = 0;
}

static void run_data(void *unused)
{
    (void)unused;
    static unsigned char code[] = {0xc3};
    ((void (*)(void))(uintptr_t)code)();
}

static void map_over_stack(void *unused)
{
    (void)unused;
    uintptr_t here = page_of(__builtin_frame_address(0));
    // What lies there afterwards is zeroes: the return goes to address 0.
    mmap((void *)(here - (16 << 10)), 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void many_mappings(void *unused)
{
    (void)unused;
    // Every second page, so that nothing can be joined; then all at once away.
    int made = 0;
    char *base = (char *)0x200000000000;
    for (int i = 0; i < 5000; i++)
        made += mmap(base + 8192L * i, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    for (int i = 0; i < made; i++)
        base[8192L * i] = 1;
    _exit(made < 5000 || munmap(base, 8192L * 5000) ? 3 : 4);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*body)(void *);
        // Linux kills it when even the handler cannot run; then nothing is caught.
        int caught;
    } rows[] = {
        {"unmaps its text", unmap_text, 0},       {"unmaps its stack", unmap_stack, 1},
        {"unmaps its data", unmap_data, 0},       {"unmaps everything", unmap_everything, 0},
        {"protects its text", protect_text, 0},   {"writes to its text", write_text, 1},
        {"runs its data", run_data, 1},           {"maps over its stack", map_over_stack, 1},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct end end = attempt(rows[i].body, NULL, 10);
        int killed = WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV;
        int caught = end.signal == SIGSEGV && WIFEXITED(end.status);
        check(rows[i].caught ? caught : killed || caught, rows[i].name, "signal %d status %#x", end.signal, end.status);
    }
    struct end end = attempt(many_mappings, NULL, 60);
    check(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 4, "5000 mappings", "signal %d status %#x", end.signal, end.status);
    check(data == 1, "the parent is as it was", "%d", data);
    return finish();
}
