// Makes L4 system calls from a Linux program: all seven, and numbers that do not exist, with arguments that aim at others
// (σ0, root, the servers, their tasks) and with nonsense. The program may harm itself; others must not notice.
//
// On Linux the same numbers are not system calls at all, and everything is ENOSYS.
#include "check.h"
#include <fcntl.h>
#include <time.h>

#define L4_CALL 0x80000000UL
enum { IPC, ID_NEAREST, FPAGE_UNMAP, THREAD_SWITCH, THREAD_SCHEDULE, LTHREAD_EX_REGS, TASK_NEW, CALLS };

struct call {
    unsigned long rax, rbx, rdi, rsi, rdx, r10, r8, r9, r12, r13, r14;
};

static unsigned long thread(unsigned task, unsigned lthread, unsigned version)
{
    return task | (unsigned long)lthread << 16 | (unsigned long)version << 26;
}

static unsigned long l4(const struct call *c)
{
    unsigned long rax;
    __asm__ volatile("push %%rbx\n\tpush %%rbp\n\tpush %%r15\n\t"
                     "mov %%rax, %%rbp\n\t"
                     "mov 0(%%rbp), %%rax\n\tmov 8(%%rbp), %%rbx\n\tmov 16(%%rbp), %%rdi\n\tmov 24(%%rbp), %%rsi\n\t"
                     "mov 32(%%rbp), %%rdx\n\tmov 40(%%rbp), %%r10\n\tmov 48(%%rbp), %%r8\n\tmov 56(%%rbp), %%r9\n\t"
                     "mov 64(%%rbp), %%r12\n\tmov 72(%%rbp), %%r13\n\tmov 80(%%rbp), %%r14\n\t"
                     "syscall\n\t"
                     "pop %%r15\n\tpop %%rbp\n\tpop %%rbx"
                     : "=a"(rax)
                     : "a"(c)
                     : "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "memory", "cc");
    return rax;
}

static unsigned seed = 1;
static unsigned long chance(void)
{
    unsigned long value = 0;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1103515245 + 12345;
        value = value << 16 | seed >> 16;
    }
    return value;
}

// A value that means something, more often than not.
static unsigned long interesting(void)
{
    static const unsigned long some[] = {
        0, 1, 2, 3, 4, 7, 8, 0x10, 0x20, 0x40, 0x80, 0x200, 0x400, 0x600, 0xffff, 0x1ffff, ~0UL,
        0x1000, 0x400000, 0x200000, 0x10000000, 0x40000000, 0x100000000, 0x7effefff0000, 0x7f0000000000, 0x7fff00000000,
        0x7fff00001000, 0x800000000000, 0xffff800000000000, 0xffffffff80000000,
        0x2f7, 0xc7, 0x4002f7, 0x400 | 0x100 | 6, 0x800 | 0x60 | 6, // flexpages: everything, a page, all ports, all lines
    };
    unsigned long n = chance();
    return n % 4 == 0 ? n : some[n / 4 % (sizeof some / sizeof *some)];
}

static unsigned long somebody(void)
{
    unsigned long n = chance();
    switch (n % 5) {
    case 0: return 0;
    case 1: return ~0UL;
    case 2: return interesting();
    case 3: return thread(n / 5 % 16, 0, 1 + n / 80 % 3);
    default: return thread(n / 5 % 16, n / 80 % 3, 1);
    }
}

static void nonsense(void *argument)
{
    int number = *(int *)argument;
    seed = number * 1000003 + 17;
    for (int i = 0; i < 300; i++) {
        struct call c = {
            L4_CALL | number | (chance() % 3 ? (chance() & 0xffff0fff) << 32 : 0),
            interesting(), interesting(), interesting(), interesting(), interesting(), interesting(), interesting(),
            somebody(), somebody(), chance() % 2 ? 0 : (100UL << 32 | 100)};
        l4(&c);
    }
}

// Calls that would take the system down if they were let through, one by one.
static void attack_servers(void *argument)
{
    int which = *(int *)argument;
    for (unsigned task = 0; task < 32; task++)
        for (unsigned lthread = 0; lthread < 3; lthread++)
            for (unsigned version = 1; version < 4; version++) {
                unsigned long victim = thread(task, lthread, version);
                struct call calls[] = {
                    // ex_regs: ip, sp, pager; stop; destroy; create
                    {.rax = L4_CALL | LTHREAD_EX_REGS, .rbx = 7, .rdi = 0x1000, .rsi = 0x1000, .r12 = victim},
                    {.rax = L4_CALL | LTHREAD_EX_REGS, .rbx = 1 << 6, .r12 = victim},
                    {.rax = L4_CALL | LTHREAD_EX_REGS, .rbx = 1 << 5, .r12 = victim},
                    {.rax = L4_CALL | LTHREAD_EX_REGS, .rbx = 1 << 4 | 1 << 7, .rdi = 0x1000, .r12 = victim},
                    // task_new: delete
                    {.rax = L4_CALL | TASK_NEW, .rbx = 1 << 5, .r12 = victim},
                    // fpage_unmap in the task: all of its memory
                    {.rax = L4_CALL | FPAGE_UNMAP, .rbx = 0x2f7, .rdi = 3, .r12 = victim},
                    // ipc: send and call with a short timeout
                    {.rax = L4_CALL | IPC | 7UL << 32, .r12 = victim, .r14 = 50UL << 32 | 50},
                    {.rax = L4_CALL | IPC | 7UL << 32, .r12 = victim, .r13 = victim, .r14 = 50UL << 32 | 50},
                    // ipc with a label of the kernel's: a page fault, a foreign call in another's name
                    {.rax = L4_CALL | IPC | 0x80010004UL << 32, .r12 = victim, .r14 = 50UL << 32 | 50},
                    {.rax = L4_CALL | IPC | 0x80030007UL << 32, .rbx = 60, .r12 = victim, .r14 = 50UL << 32 | 50},
                    // ipc that maps all of its own memory over the partner's
                    {.rax = L4_CALL | IPC | 0x40UL << 32, .rbx = 0x2f7, .r12 = victim, .r14 = 50UL << 32 | 50},
                    // thread_schedule: priority 0
                    {.rax = L4_CALL | THREAD_SCHEDULE, .rbx = 1, .r12 = victim},
                };
                l4(&calls[which]);
            }
}

static void no_stack_left(void *unused)
{
    (void)unused;
    // All of its own memory is taken away, this code too: it dies of that, and does not come back.
    struct call c = {.rax = L4_CALL | FPAGE_UNMAP, .rbx = 0x2f7, .rdi = 1};
    l4(&c);
}

static void waits_for_ever(void *argument)
{
    struct call c = {.rax = L4_CALL | IPC, .r12 = *(int *)argument ? thread(1, 0, 1) : 0, .r13 = ~0UL, .r14 = ~0UL};
    l4(&c);
}

static void new_tasks(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        struct call c = {.rax = L4_CALL | TASK_NEW, .rdi = 0x1000, .rsi = 0x1000, .r8 = i % 3 ? 0 : 16, .r9 = 255};
        l4(&c);
    }
    for (int i = 1; i < 1000; i++) {
        struct call c = {.rax = L4_CALL | LTHREAD_EX_REGS, .rbx = 1 << 4 | 1 << 7 | 3, .rdi = 0x1000, .rsi = 0x1000, .r12 = (unsigned long)i << 16};
        l4(&c);
    }
}

static int others_run(void)
{
    int ends[2], status;
    char c;
    if (pipe(ends))
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        char *memory = malloc(1 << 20);
        memset(memory, 1, 1 << 20);
        _exit(write(ends[1], "x", 1) == 1 ? 5 : 6);
    }
    int good = waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5 && read(ends[0], &c, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return good;
}

static void check_after(const char *name, struct end end)
{
    check(end.status != -1 && others_run(), name, "signal %d status %#x", end.signal, end.status);
}

int main(void)
{
    char name[64];
    for (int number = 0; number < CALLS + 3; number++) {
        snprintf(name, sizeof name, "nonsense for call %d", number);
        check_after(name, attempt(nonsense, &number, 5));
    }
    static const char *const attacks[] = {"set registers", "stop", "destroy", "create", "delete the task", "unmap", "send",
                                          "call", "forge a page fault", "forge a system call", "map over", "priority"};
    for (int i = 0; i < (int)(sizeof attacks / sizeof *attacks); i++) {
        snprintf(name, sizeof name, "on everybody: %s", attacks[i]);
        check_after(name, attempt(attack_servers, &i, 5));
    }
    check_after("unmaps all of its own memory", attempt(no_stack_left, NULL, 5));
    // A signal gets a process out of an L4 call that would wait for ever.
    for (int i = 0; i < 2; i++)
        check_after(i ? "calls σ0 and waits for ever" : "waits for ever", attempt(waits_for_ever, &i, 1));
    check_after("new tasks and threads", attempt(new_tasks, NULL, 5));
    return finish();
}
