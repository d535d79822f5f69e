// Executes what user mode must not: each instruction gives the signal and si_code that Linux gives on a real CPU.
//
// A KVM that emulates guest kernel mode, and QEMU's TCG, do not do some of these as a CPU does, and no kernel can
// see the difference: those outcomes are named here one by one, and reported as `# differs [PLATFORM]`.
#include "check.h"
#include <fcntl.h>

enum { NONE = 0, ANY = -1 };

struct expected {
    int signal, code; // code ANY: not looked at
};

struct row {
    const char *name;
    void (*body)(void *);
    struct expected cpu;
    struct expected emulated, tcg; // signal ANY: no exception is made
};

#define BODY(name, ...)                                                                                                \
    static void name(void *unused)                                                                                     \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        __asm__ volatile(__VA_ARGS__);                                                                                 \
    }

static char memory[64] __attribute__((aligned(64)));

BODY(do_cli, "cli")
BODY(do_sti, "sti")
BODY(do_hlt, "hlt")
BODY(do_in, "xor %%eax, %%eax; mov $0x60, %%edx; in %%dx, %%al" : : : "rax", "rdx")
BODY(do_out, "mov $0xf4, %%edx; xor %%eax, %%eax; out %%al, %%dx" : : : "rax", "rdx")
BODY(do_out_console, "mov $0xb04, %%edx; xor %%eax, %%eax; out %%eax, %%dx" : : : "rax", "rdx")
BODY(do_ins, "lea %0, %%rdi; mov $0x3f8, %%edx; insb" : "=m"(memory) : : "rdi", "rdx", "memory")
BODY(do_mov_from_cr0, "mov %%cr0, %%rax" : : : "rax")
BODY(do_mov_to_cr3, "xor %%eax, %%eax; mov %%rax, %%cr3" : : : "rax")
BODY(do_mov_to_cr4, "xor %%eax, %%eax; mov %%rax, %%cr4" : : : "rax")
BODY(do_mov_from_dr7, "mov %%dr7, %%rax" : : : "rax")
BODY(do_rdmsr, "mov $0xc0000082, %%ecx; rdmsr" : : : "rax", "rcx", "rdx")
BODY(do_wrmsr, "mov $0xc0000082, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr" : : : "rax", "rcx", "rdx")
BODY(do_lgdt, "lgdt %0" : : "m"(memory))
BODY(do_lidt, "lidt %0" : : "m"(memory))
BODY(do_ltr, "mov $0x40, %%eax; ltr %%ax" : : : "rax")
BODY(do_lldt, "xor %%eax, %%eax; lldt %%ax" : : : "rax")
BODY(do_invlpg, "invlpg %0" : : "m"(memory))
BODY(do_invd, "invd")
BODY(do_wbinvd, "wbinvd")
BODY(do_clts, "clts")
BODY(do_swapgs, "swapgs")
BODY(do_sysretq, "sysretq")
BODY(do_sysexit, "sysexitl")
BODY(do_xsetbv, "xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; xsetbv" : : : "rax", "rcx", "rdx")
BODY(do_int_0, "int $0")
BODY(do_int_8, "int $8")
BODY(do_int_13, "int $13")
BODY(do_int_14, "int $14")
BODY(do_int_32, "int $32")
BODY(do_int_255, "int $255")
BODY(do_int3, "int3")
BODY(do_icebp, ".byte 0xf1")
BODY(do_ud2, "ud2")
BODY(do_trap_flag, "pushfq; orl $0x100, (%%rsp); popfq; nop" : : : "cc")
BODY(do_divide, "xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx; div %%ecx" : : : "rax", "rcx", "rdx")
BODY(do_iretq_bad_cs, "mov %%rsp, %%rax; push $0; push %%rax; pushfq; push $0x10; push $0; iretq" : : : "rax")
BODY(do_iretq_kernel, "mov %%rsp, %%rax; push $0x18; push %%rax; pushfq; push $0x10; lea 1f(%%rip), %%rax; push %%rax; iretq; 1:" : : : "rax")
BODY(do_far_call, "push $0x10; push $0; lretq")
BODY(do_mov_ss_null, "xor %%eax, %%eax; mov %%ax, %%ss" : : : "rax")
BODY(do_mov_ds_bad, "mov $0xfff8, %%eax; mov %%ax, %%ds" : : : "rax")
BODY(do_mov_ds_kernel, "mov $0x18, %%eax; mov %%ax, %%ss" : : : "rax")
BODY(do_mov_cs, ".byte 0x8e, 0xc8")
BODY(do_into, ".byte 0xce")
BODY(do_lock_nop, ".byte 0xf0, 0x90")
BODY(do_long_instruction, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90")
BODY(do_popf_if, "pushfq; pushfq; andl $~0x200, (%%rsp); popfq; pushfq; pop %%rax; popfq; test $0x200, %%eax; jnz 1f; ud2; 1:" : : : "rax", "cc")
BODY(do_popf_iopl, "pushfq; pushfq; orl $0x3000, (%%rsp); popfq; pushfq; pop %%rax; popfq; test $0x3000, %%eax; jz 1f; ud2; 1:" : : : "rax", "cc")

#define GP {SIGSEGV, SI_KERNEL}
#define UD {SIGILL, ILL_ILLOPN}
#define SAME {ANY, ANY}

// `int n` through a gate that user mode may not use is #GP. Where guest kernel mode is emulated every `int n` is #UD.
#define INT_N {SIGILL, ILL_ILLOPN}

static const struct row rows[] = {
    {"cli", do_cli, GP, SAME, SAME},
    {"sti", do_sti, GP, SAME, SAME},
    {"hlt", do_hlt, GP, SAME, SAME},
    {"in from the keyboard", do_in, GP, SAME, SAME},
    {"out to the debug exit", do_out, GP, SAME, SAME},
    {"out to the console device", do_out_console, GP, SAME, SAME},
    {"ins from the UART", do_ins, GP, SAME, SAME},
    {"mov from cr0", do_mov_from_cr0, GP, SAME, SAME},
    {"mov to cr3", do_mov_to_cr3, GP, SAME, SAME},
    {"mov to cr4", do_mov_to_cr4, GP, SAME, SAME},
    {"mov from dr7", do_mov_from_dr7, GP, SAME, SAME},
    {"rdmsr", do_rdmsr, GP, SAME, SAME},
    {"wrmsr", do_wrmsr, GP, SAME, SAME},
    {"lgdt", do_lgdt, GP, SAME, SAME},
    {"lidt", do_lidt, GP, SAME, SAME},
    {"ltr", do_ltr, GP, SAME, SAME},
    {"lldt", do_lldt, GP, SAME, SAME},
    {"invlpg", do_invlpg, GP, SAME, SAME},
    {"invd", do_invd, GP, SAME, SAME},
    {"wbinvd", do_wbinvd, GP, SAME, SAME},
    {"clts", do_clts, GP, SAME, SAME},
    {"swapgs", do_swapgs, GP, SAME, SAME},
    // AMD's CPUs and TCG check for SYSRET and SYSEXIT in the order that is theirs: #UD for an instruction of the other maker.
    {"sysretq", do_sysretq, GP, SAME, SAME},
    {"sysexit", do_sysexit, GP, SAME, UD},
    // #UD where the kernel has not set CR4.OSXSAVE.
    {"xsetbv", do_xsetbv, GP, SAME, UD},
    {"int 0", do_int_0, GP, INT_N, SAME},
    {"int 8", do_int_8, GP, INT_N, SAME},
    {"int 13", do_int_13, GP, INT_N, SAME},
    {"int 14", do_int_14, GP, INT_N, SAME},
    {"int 32", do_int_32, GP, INT_N, SAME},
    {"int 255", do_int_255, GP, INT_N, SAME},
    {"int3", do_int3, {SIGTRAP, SI_KERNEL}, SAME, SAME},
    // Under TCG (QEMU 7.2) a stock Linux gets #UD for it, too.
    {"icebp", do_icebp, {SIGTRAP, ANY}, SAME, UD},
    {"ud2", do_ud2, UD, SAME, SAME},
    {"trap flag", do_trap_flag, {SIGTRAP, TRAP_TRACE}, SAME, SAME},
    {"division by zero", do_divide, {SIGFPE, FPE_INTDIV}, SAME, SAME},
    {"iretq to a bad CS", do_iretq_bad_cs, GP, SAME, SAME},
    {"iretq to a kernel's CS", do_iretq_kernel, GP, SAME, SAME},
    {"far return to a kernel's CS", do_far_call, GP, SAME, SAME},
    {"mov null to ss", do_mov_ss_null, GP, SAME, SAME},
    {"mov beyond the table to ds", do_mov_ds_bad, GP, SAME, SAME},
    {"mov a kernel's segment to ss", do_mov_ds_kernel, GP, SAME, SAME},
    {"mov to cs", do_mov_cs, UD, SAME, SAME},
    {"into", do_into, UD, SAME, SAME},
    {"lock nop", do_lock_nop, UD, SAME, SAME},
    {"an instruction of 16 bytes", do_long_instruction, GP, SAME, SAME},
    {"popf does not clear IF", do_popf_if, {NONE, ANY}, SAME, SAME},
    {"popf does not set IOPL", do_popf_iopl, {NONE, ANY}, SAME, SAME},
};

// What these do depends on the hypervisor, if there is one, and the CPU's maker: a signal of an unprivileged instruction or nothing.
BODY(do_vmcall, "mov $0x7fffffff, %%eax; vmcall" : : : "rax", "rbx", "rcx", "rdx")
BODY(do_vmmcall, "mov $0x7fffffff, %%eax; vmmcall" : : : "rax", "rbx", "rcx", "rdx")
BODY(do_vmxon, "vmxon %0" : : "m"(memory))
BODY(do_vmrun, "vmrun %%rax" : : : "rax")
BODY(do_sysenter, "xor %%ecx, %%ecx; xor %%edx, %%edx; sysenter" : : : "rax", "rcx", "rdx")
BODY(do_int80, "mov $0x7fffffff, %%eax; int $0x80" : : : "rax")
BODY(do_sgdt, "sgdt %0" : "=m"(memory))
BODY(do_smsw, "smsw %%eax" : : : "rax")
BODY(do_rdpmc, "xor %%ecx, %%ecx; rdpmc" : : : "rax", "rcx", "rdx")
BODY(do_monitor, "lea %0, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor" : : "m"(memory) : "rax", "rcx", "rdx")
BODY(do_mov_ds_7, "mov $7, %%eax; mov %%ax, %%ds" : : : "rax")
BODY(do_compatibility, "mov %%rsp, %%rax; push $0x2b; push $0x1000; pushfq; push $0x23; push $0x1000; iretq" : : : "rax")
BODY(do_alignment, "pushfq; orl $0x40000, (%%rsp); popfq; lea %0, %%rax; mov 1(%%rax), %%ecx; pushfq; andl $~0x40000, (%%rsp); popfq" : : "m"(memory) : "rax", "rcx", "cc")

static const struct {
    const char *name;
    void (*body)(void *);
} loose[] = {
    {"vmcall", do_vmcall},       {"vmmcall", do_vmmcall},
    {"vmxon", do_vmxon},         {"vmrun", do_vmrun},
    {"sysenter", do_sysenter},   {"int 0x80", do_int80},
    {"sgdt", do_sgdt},           {"smsw", do_smsw},
    {"rdpmc", do_rdpmc},         {"monitor", do_monitor},
    {"mov 7 to ds", do_mov_ds_7}, {"iretq to 32-bit mode", do_compatibility},
    {"unaligned access with AC", do_alignment},
};

static int is(struct expected want, struct end end)
{
    return want.signal == end.signal && (want.code == ANY || want.code == end.code);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct end end = attempt(row->body, NULL, 10);
        int cpu = is(row->cpu, end), emulated = is(row->emulated, end), tcg = is(row->tcg, end);
        if (!cpu && emulated)
            printf("# differs [emulated] %s: signal %d code %d\n", row->name, end.signal, end.code);
        else if (!cpu && tcg)
            printf("# differs [tcg] %s: signal %d code %d\n", row->name, end.signal, end.code);
        check(cpu || emulated || tcg, row->name, "signal %d code %d status %#x", end.signal, end.code, end.status);
    }
    for (unsigned i = 0; i < sizeof loose / sizeof *loose; i++) {
        struct end end = attempt(loose[i].body, NULL, 10);
        int fault = end.signal == SIGSEGV || end.signal == SIGILL || end.signal == SIGBUS;
        int nothing = end.signal == 0 && end.status == 0;
        check(fault || nothing, loose[i].name, "signal %d code %d status %#x", end.signal, end.code, end.status);
    }
    return finish();
}
