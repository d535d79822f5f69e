// Processes with different numbers in all vector registers and different rounding modes run against each other, by
// preemption and by blocking calls: nobody ever sees another's.
//
// usage: vectors [ROUNDS]
#include "check.h"
#include <time.h>

enum { PROCESSES = 4, REGISTERS = 16 };

static void fill_sse(unsigned char value, unsigned char *bytes)
{
    memset(bytes, value, REGISTERS * 32);
    for (int i = 0; i < REGISTERS; i++)
        bytes[i * 32] = i;
}

#define LOAD(n) "movdqu " #n "*32(%[p]), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*32(%[p])\n\t"
#define LOAD_Y(n) "vmovdqu " #n "*32(%[p]), %%ymm" #n "\n\t"
#define STORE_Y(n) "vmovdqu %%ymm" #n ", " #n "*32(%[p])\n\t"
#define ALL(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
#define XMMS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// Loads all registers, spins (or makes a system call), and stores them again, in one piece of assembly.
#define ROUND(load, store)                                                                                             \
    __asm__ volatile(ALL(load) "test %[call], %[call]\n\tjz 1f\n\tmov $24, %%eax\n\tsyscall\n\t"                       \
                               "1: dec %[spin]\n\tjnz 1b\n\t" ALL(store)                                               \
                     : [spin] "+r"(spin)                                                                               \
                     : [p] "r"(out), [call] "r"(call)                                                                  \
                     : "rax", "rcx", "r11", "memory", "cc", XMMS)

static int run(int id, int rounds, int avx)
{
    unsigned char in[REGISTERS * 32], out[REGISTERS * 32];
    unsigned mxcsr = 0x1f80 | (id & 3) << 13, mxcsr_after;
    unsigned short control = 0x37f | (id & 3) << 10, control_after;
    fill_sse(0x11 * (id + 1), in);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(control));
    volatile long double sum = 0;
    for (int i = 0; i < rounds; i++) {
        unsigned long spin = 20000, call = i & 1;
        memcpy(out, in, sizeof in);
        if (avx)
            ROUND(LOAD_Y, STORE_Y);
        else
            ROUND(LOAD, STORE);
        if (memcmp(in, out, sizeof in))
            return 1;
        __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr_after), "=m"(control_after));
        if ((mxcsr_after & 0x6000) != (mxcsr & 0x6000) || control_after != control)
            return 2;
        sum += 0.5L;
        if (i % 16 == id)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return sum == rounds * 0.5L ? 0 : 3;
}

static void check_kind(const char *name, int rounds, int avx)
{
    pid_t children[PROCESSES];
    fflush(stdout);
    for (int id = 0; id < PROCESSES; id++)
        if ((children[id] = fork()) == 0)
            _exit(run(id, rounds, avx));
    int worst = 0, status;
    for (int id = 0; id < PROCESSES; id++)
        if (waitpid(children[id], &status, 0) != children[id] || status)
            worst = status ? status : -1;
    check(worst == 0, name, "status %#x (1: vector registers, 2: control words, 3: x87 arithmetic)", worst);
}

static void inherits(void)
{
    // A child begins with its parent's registers.
    unsigned mxcsr = 0x5f80, after = 0;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    pid_t pid = fork();
    if (pid == 0) {
        __asm__ volatile("stmxcsr %0" : "=m"(after));
        _exit((after & 0x6000) == 0x4000 ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    check(status == 0, "fork keeps the control word", "%#x", status);
}

static volatile int handled;
static void spoils(int sig)
{
    (void)sig;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7\n\tpcmpeqd %%xmm15, %%xmm15" : : : "xmm0", "xmm7", "xmm15");
    handled++;
}

static void survives_handler(void)
{
    unsigned char in[REGISTERS * 32], out[REGISTERS * 32];
    signal(SIGALRM, spoils);
    fill_sse(0x77, in);
    memcpy(out, in, sizeof in);
    ualarm(2000, 0);
    time_t deadline = time(NULL) + 20;
    int wrong = 0;
    while (!handled && time(NULL) < deadline) {
        unsigned long spin = 3000000, call = 0;
        ROUND(LOAD, STORE);
        wrong += memcmp(in, out, sizeof in) != 0;
    }
    check(handled && !wrong, "a handler's registers are its own", "handled %d, wrong %d", handled, wrong);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 300;
    check_kind("SSE and x87", rounds, 0);
    // Where the system says that it keeps them, the upper halves are kept too.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx"))
        check_kind("AVX", rounds, 1);
    else
        check(1, "AVX", "-");
    inherits();
    survives_handler();
    return finish();
}
