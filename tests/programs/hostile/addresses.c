// Reads, writes and jumps to addresses that are the kernel's, nobody's, or not addresses at all: each is a SIGSEGV for the
// process that tried, with the address where there is one, and nothing else.
#include "check.h"

enum access { READ, WRITE, JUMP, PUSH };
static const char *const access_name[] = {"read", "write", "jump to", "push at"};

struct probe {
    enum access access;
    uintptr_t address;
};

static void body(void *argument)
{
    struct probe *p = argument;
    switch (p->access) {
    case READ:
        (void)*(volatile char *)p->address;
        break;
    case WRITE:
        *(volatile char *)p->address = 1;
        break;
    case JUMP:
        __asm__ volatile("jmp *%0" : : "r"(p->address));
        break;
    case PUSH:
        __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax; mov %%rbx, %%rsp" : : "r"(p->address) : "rbx", "memory");
        break;
    }
}

int main(void)
{
    static const struct {
        uintptr_t address;
        const char *what;
    } targets[] = {
        {0, "null"},
        {0x7f0000001000, "the page behind the largest process"},
        {0x7fff00000000, "the gate page"},
        {0x7fff00001000, "the kernel interface page"},
        {0x7fffffffe000, "the last user page but one"},
        {0x7ffffffff000, "the last user page"},
        {0x800000000000, "the first non-canonical address"},
        {0x8000000000000000, "a non-canonical address"},
        {0xffff7fffffffffff, "the last non-canonical address"},
        {0xffff800000000000, "the first kernel address"},
        {0xffff800000100000, "a physical map"},
        {0xffff888000000000, "another physical map"},
        {0xffffc00000000000, "kernel data"},
        {0xffffff8000000000, "the last slot of the page table"},
        {0xffffffff80000000, "the kernel image"},
        {0xffffffff80100000, "the kernel image, 1 MiB in"},
        {0xffffffff81000000, "the kernel image, 16 MiB in"},
        {0xfffffffffffff000, "the last page"},
    };
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
        uintptr_t address = targets[i].address;
        int canonical = (intptr_t)(address << 16) >> 16 == (intptr_t)address;
        for (enum access a = READ; a <= PUSH; a++) {
            // The gate page and the kernel interface page may be read, and the gate page is there to be called; the
            // gate's return then pops what lies on the stack, so a jump there is not a test of anything.
            if ((address >> 16) == 0x7fff0000 && (a == READ || a == JUMP))
                continue;
            uintptr_t at = a == PUSH ? address + 4096 - 8 : address;
            struct probe probe = {a, at};
            struct end end = attempt(body, &probe, 10);
            char name[128];
            snprintf(name, sizeof name, "%s %s", access_name[a], targets[i].what);
            // For a non-canonical address the CPU says nothing but #GP; on a stack, #SS, which Linux makes a SIGBUS.
            // The address reported for a push is the one it would have written.
            int good = end.signal == SIGSEGV;
            if (!canonical)
                good = good || (a == PUSH && end.signal == SIGBUS);
            else
                good = good && end.address == (a == PUSH ? at - 8 : at);
            check(good, name, "signal %d code %d address %#lx status %#x", end.signal, end.code, end.address, end.status);
        }
    }
    return finish();
}
