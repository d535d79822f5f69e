// Has values in registers that a debugger can look for, at `full`.

#include <stdio.h>

#include "wait.h"

static const unsigned long pattern[4] = { 0x0101010101010101, 0x0202020202020202, 0x0303030303030303, 0x0404040404040404 };

int main(void)
{
    wait_for_debugger();
    long changed;
    asm volatile("vmovdqu %1, %%ymm7\n\t"
                 "movabs $0x1122334455667788, %%rax\n\t"
                 "mov $0x99, %%ebx\n\t"
                 "mov $0x77, %%r15d\n\t"
                 "fldpi\n\t"
                 ".globl full\n"
                 "full: nop\n\t"
                 "fstp %%st(0)\n\t"
                 "mov %%r15, %0"
                 : "=r"(changed)
                 : "m"(pattern)
                 : "rax", "rbx", "r15", "xmm7");
    printf("r15 is %#lx\n", changed);
    return 0;
}
