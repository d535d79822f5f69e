// Recurses until the stack is used up: SIGSEGV, on another stack, with the address of the overflow; and without another
// stack the process dies of it.
#include "check.h"

static volatile int depth;

__attribute__((noinline)) static int recurse(int n)
{
    volatile char frame[1024];
    frame[0] = n;
    depth = n;
    return depth < 0 ? 0 : recurse(n + 1) + frame[0];
}

static void deep(void *unused)
{
    (void)unused;
    recurse(0);
}

static void no_other_stack(void *unused)
{
    (void)unused;
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    recurse(0);
}

static void bad_other_stack(void *unused)
{
    (void)unused;
    stack_t bad = {.ss_sp = (void *)0xffff800000000000, .ss_size = 64 << 10};
    if (sigaltstack(&bad, NULL) == 0)
        *(volatile char *)0x10 = 1;
}

static void large_frame(void *unused)
{
    (void)unused;
    // Far below the stack, but within its limit: it grows.
    volatile char *p = __builtin_frame_address(0);
    p[-(4 << 20)] = 1;
    for (long i = 4096; i < 4 << 20; i += 4096)
        p[-i] = 1;
    _exit(9);
}

static void misused_stack(void *argument)
{
    // The stack pointer is anything; then a signal comes.
    __asm__ volatile("mov %0, %%rsp\n\tmov $39, %%eax\n\tsyscall\n\tpush %%rax" : : "r"(*(unsigned long *)argument) : "rax", "rcx", "r11", "memory");
}

int main(void)
{
    struct rlimit limit = {8 << 20, 8 << 20};
    setrlimit(RLIMIT_STACK, &limit);
    struct end end = attempt(deep, NULL, 20);
    check(end.signal == SIGSEGV && WIFEXITED(end.status), "overflow, handled on another stack", "signal %d status %#x", end.signal, end.status);
    check(end.address != 0 && end.address > (uintptr_t)&limit - (9 << 20) && end.address < (uintptr_t)&limit,
          "the address is that of the overflow", "%#lx, stack at %p", end.address, (void *)&limit);
    end = attempt(no_other_stack, NULL, 20);
    check(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV, "overflow without another stack", "status %#x", end.status);
    end = attempt(bad_other_stack, NULL, 20);
    check(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV, "the other stack is the kernel's", "status %#x", end.status);
    end = attempt(large_frame, NULL, 20);
    check(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 9, "a frame of 4 MiB", "signal %d address %#lx status %#x", end.signal, end.address, end.status);
    static const unsigned long stacks[] = {8, 0x1000, 0x800000000000, 0xffff800000000000, 0xffffffffffffff00};
    for (unsigned i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        char name[64];
        snprintf(name, sizeof name, "stack at %#lx", stacks[i]);
        end = attempt(misused_stack, (void *)&stacks[i], 20);
        check(end.signal == SIGSEGV || end.signal == SIGBUS, name, "signal %d status %#x", end.signal, end.status);
    }
    return finish();
}
