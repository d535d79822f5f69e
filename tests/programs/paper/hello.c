/* A smallest program: it has no C library, and exits. But it has what programs have, code, constants, data and memory that is zero, in a segment each: to map them is part of starting it. */
static const char constants[] = "hello";
static volatile int data = 1, zero;

__attribute__((noreturn)) void _start(void)
{
	zero = data + *(const volatile char *)constants;
	__asm__ volatile("syscall" : : "a"(60), "D"(0) : "rcx", "r11", "memory");
	__builtin_unreachable();
}
