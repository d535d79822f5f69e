// Forges what a system call's entry and exit rely on: flags, RCX, R11, the address of the instruction itself.
// The calls still work, the flags come back as they were, and nothing of it reaches anybody else.
#include "check.h"
#include <sys/syscall.h>

#define FLAGS_KEPT 0xcd5 // CF PF AF ZF SF DF OF, less PF's neighbours that are fixed

static long result;
static unsigned long flags_after, rcx_after, r11_after, other[12];

// getpid with these flags, RCX and R11, and all other registers set to numbers that must survive.
static void call_with(unsigned long flags, unsigned long rcx, unsigned long r11)
{
    register unsigned long r11_in __asm__("r11") = r11;
    long rax = SYS_getpid;
    unsigned long rcx_io = rcx, flags_out;
    __asm__ volatile("push %[flags]\n\t"
                     "popfq\n\t"
                     "syscall\n\t"
                     "pushfq\n\t"
                     "cld\n\t"
                     "pop %[out]\n\t"
                     "push $0x202\n\t"
                     "popfq"
                     : "+a"(rax), "+c"(rcx_io), "+r"(r11_in), [out] "=&r"(flags_out)
                     : [flags] "r"(flags)
                     : "memory", "cc");
    result = rax;
    flags_after = flags_out;
    rcx_after = rcx_io;
    r11_after = r11_in;
}

static void many_registers(void)
{
    unsigned long *o = other;
    __asm__ volatile("push %%rbp\n\t"
                     "push %[o]\n\t"
                     "mov $0x101, %%rbx\n\tmov $0x102, %%rdi\n\tmov $0x103, %%rsi\n\tmov $0x104, %%rdx\n\t"
                     "mov $0x105, %%r8\n\tmov $0x106, %%r9\n\tmov $0x107, %%r10\n\tmov $0x108, %%r12\n\t"
                     "mov $0x109, %%r13\n\tmov $0x10a, %%r14\n\tmov $0x10b, %%r15\n\tmov $0x10c, %%rbp\n\t"
                     "mov $39, %%eax\n\t"
                     "syscall\n\t"
                     "pop %%rcx\n\t"
                     "mov %%rbx, 0(%%rcx)\n\tmov %%rdi, 8(%%rcx)\n\tmov %%rsi, 16(%%rcx)\n\tmov %%rdx, 24(%%rcx)\n\t"
                     "mov %%r8, 32(%%rcx)\n\tmov %%r9, 40(%%rcx)\n\tmov %%r10, 48(%%rcx)\n\tmov %%r12, 56(%%rcx)\n\t"
                     "mov %%r13, 64(%%rcx)\n\tmov %%r14, 72(%%rcx)\n\tmov %%r15, 80(%%rcx)\n\tmov %%rbp, 88(%%rcx)\n\t"
                     "pop %%rbp"
                     :
                     : [o] "a"(o)
                     : "rbx", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

static void trap_flag(void *unused)
{
    (void)unused;
    call_with(0x302, 0, 0);
}

static volatile int steps;
static void step(int sig)
{
    (void)sig;
    steps++;
}

// Single-steps over a system call: a trap for each instruction, the call among them, and it goes on.
static void step_over(void *unused)
{
    (void)unused;
    signal(SIGTRAP, step);
    long rax = SYS_getpid;
    __asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
                     "nop\n\tsyscall\n\tnop\n\tnop\n\t"
                     "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq"
                     : "+a"(rax)
                     :
                     : "rcx", "r11", "memory", "cc");
    _exit(rax == getpid() && steps >= 5 && steps <= 8 ? 0 : 100 + steps);
}

// Jumps to where a kernel may have its system-call entry, with RCX and R11 forged as a kernel would find them.
static uintptr_t target, forged_rcx, forged_r11;
static void jump(void *unused)
{
    (void)unused;
    register unsigned long r11 __asm__("r11") = forged_r11;
    __asm__ volatile("jmp *%0" : : "a"(target), "c"(forged_rcx), "r"(r11));
}

// A system call as the last instruction before memory that is not mapped: the call is made, the next instruction is a
// fault. With the argument, at the end of what a program may map at all, if that can be had.
static void at_the_end(void *very_end)
{
    char *page = very_end;
    if (very_end) {
        if (mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != page)
            _exit(50);
    } else {
        page = pages(2, PROT_READ | PROT_WRITE);
        munmap(page + 4096, 4096);
    }
    memcpy(page + 4094, "\x0f\x05", 2);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
        _exit(51);
    __asm__ volatile("jmp *%0" : : "r"(page + 4094), "a"(SYS_getpid));
}

// The stack pointer is nowhere when the call is made; a call needs none.
static void without_a_stack(void *argument)
{
    unsigned long rsp = *(unsigned long *)argument;
    long rax = SYS_getpid;
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %1, %%rsp\n\tsyscall\n\tmov %%rbx, %%rsp"
                     : "+a"(rax) : "r"(rsp) : "rbx", "rcx", "r11", "memory");
    _exit(rax == getpid() ? 0 : 60);
}

static void forged_frames(void)
{
    // A return with a frame that says anything at all.
    static const unsigned long bad_ip[] = {0, 0x800000000000, 0xffff800000000000, 0xffffffff80000000, 0x7fff00000000};
    for (unsigned i = 0; i < sizeof bad_ip / sizeof *bad_ip; i++)
        for (int kind = 0; kind < 2; kind++) {
            static const uintptr_t entries[] = {0xffffffff80000000, 0xffffffff80100000, 0xffffffff80101000, 0xffffffff81000000, 0xffffffff81e00000};
            for (unsigned e = 0; e < sizeof entries / sizeof *entries; e++) {
                target = entries[e];
                forged_rcx = bad_ip[i];
                forged_r11 = kind ? 0x3ffffff : 0;
                struct end end = attempt(jump, NULL, 10);
                if (end.signal != SIGSEGV) {
                    check(0, "jumps to a system-call entry", "%#lx: signal %d status %#x", target, end.signal, end.status);
                    return;
                }
            }
        }
    check(1, "jumps to a system-call entry", "-");
}

// sigreturn from a frame that the program wrote itself: a bad address, segments and flags of the kernel.
static greg_t frame_register, frame_value;
static void rewrite(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[frame_register] = frame_value;
}
static void bad_frame(void *unused)
{
    (void)unused;
    struct sigaction sa = {.sa_sigaction = rewrite, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    _exit(0);
}
static void check_frame(const char *name, greg_t reg, unsigned long value, int signal, int or_signal)
{
    frame_register = reg;
    frame_value = value;
    struct end end = attempt(bad_frame, NULL, 10);
    int harmless = end.signal == 0 && end.status == 0;
    check(end.signal == signal || (end.signal == or_signal && (or_signal || harmless)), name, "signal %d code %d status %#x",
          end.signal, end.code, end.status);
}

int main(void)
{
    static const struct {
        const char *name;
        unsigned long flags;
    } flags[] = {
        {"plain", 0x202},          {"arithmetic flags", 0xad7}, {"direction flag", 0x602},
        {"nested task", 0x4202},   {"alignment check", 0x40202}, {"ID", 0x200202},
        {"IOPL 3", 0x3202},        {"resume flag", 0x10202},     {"everything", 0x3fffed7 & ~0x40100UL},
    };
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        char name[64];
        snprintf(name, sizeof name, "flags: %s", flags[i].name);
        call_with(flags[i].flags, 0xdead, 0xbeef);
        unsigned long kept = (flags[i].flags ^ flags_after) & FLAGS_KEPT;
        check(result == getpid() && !kept && (flags_after & 0x202) == 0x202, name, "result %ld, flags %#lx -> %#lx", result,
              flags[i].flags, flags_after);
    }
    static const unsigned long garbage[] = {0, 1, 0x800000000000, 0xffff800000000000, ~0UL, 0x3ffffff, 0x100};
    for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        char name[64];
        snprintf(name, sizeof name, "RCX and R11 are %#lx", garbage[i]);
        call_with(0x202, garbage[i], garbage[i]);
        check(result == getpid() && !(flags_after & 0x500), name, "result %ld flags %#lx", result, flags_after);
    }
    many_registers();
    int good = 1;
    for (int i = 0; i < 12; i++)
        good &= other[i] == 0x101UL + i;
    check(good, "all other registers are kept", "%lx %lx %lx %lx", other[0], other[1], other[2], other[3]);

    struct end end = attempt(trap_flag, NULL, 10);
    check(end.signal == SIGTRAP && end.code == TRAP_TRACE, "trap flag", "signal %d code %d", end.signal, end.code);
    end = attempt(step_over, NULL, 10);
    check(end.signal == 0 && end.status == 0, "stepping over a system call", "signal %d status %#x", end.signal, end.status);
    end = attempt(at_the_end, NULL, 10);
    check(end.signal == SIGSEGV && end.ip == end.address && (end.ip & 0xfff) == 0, "a call at the end of a mapping",
          "signal %d ip %#lx status %#x", end.signal, end.ip, end.status);
    static const uintptr_t last_pages[] = {0x7efffffff000, 0x7f7ffffff000, 0x7ffefffff000, 0x7fffffffe000, 0x7ffffffff000};
    for (unsigned i = 0; i < sizeof last_pages / sizeof *last_pages; i++) {
        char name[64];
        snprintf(name, sizeof name, "a call at the end of %#lx", last_pages[i]);
        end = attempt(at_the_end, (void *)last_pages[i], 10);
        int not_had = end.signal == 0 && end.status == 50 << 8;
        check(end.signal == SIGSEGV || not_had, name, "signal %d ip %#lx status %#x", end.signal, end.ip, end.status);
    }
    static const unsigned long stacks[] = {0, 7, 0x800000000000, 0xffff800000000000, ~0UL, 0xffffffff80100000};
    for (unsigned i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        char name[64];
        snprintf(name, sizeof name, "a call with the stack at %#lx", stacks[i]);
        end = attempt(without_a_stack, (void *)&stacks[i], 10);
        check(end.signal == 0 && end.status == 0, name, "signal %d status %#x", end.signal, end.status);
    }
    forged_frames();
    check_frame("sigreturn to a non-canonical address", REG_RIP, 0x800000000000, SIGSEGV, SIGSEGV);
    check_frame("sigreturn to the kernel", REG_RIP, 0xffffffff80000000, SIGSEGV, SIGSEGV);
    // The first push or pop is a stack fault; which of the two exceptions that is depends on the CPU.
    check_frame("sigreturn with a non-canonical stack", REG_RSP, 0x800000000000, SIGBUS, SIGSEGV);
    check_frame("sigreturn with all flags but TF and AC", REG_EFL, 0x3fffeff & ~0x40000, SIGSEGV, 0);
    check_frame("sigreturn with the trap flag", REG_EFL, 0x302, SIGTRAP, SIGTRAP);
    // Linux takes CS and SS from the frame; a server that always uses the user's own may.
    check_frame("sigreturn with a kernel's CS", REG_CSGSFS, 0x10, SIGSEGV, 0);
    return finish();
}
