// A system call in the middle of a function, to step over.

#include <stdio.h>
#include <sys/syscall.h>

#include "wait.h"

static long ask(void)
{
    long pid;
    asm volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    return pid;
}

int main(void)
{
    wait_for_debugger();
    long first = ask();
    long second = ask();
    puts(first == second ? "same" : "different");
    return 0;
}
