// A system call in the middle of a function, to step over.

#include <stdio.h>
#include <sys/syscall.h>

static long ask(void)
{
    long pid;
    asm volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    return pid;
}

int main(void)
{
    long first = ask();
    long second = ask();
    puts(first == second ? "same" : "different");
    return 0;
}
