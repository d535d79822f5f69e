// Runs in the lab: says what the lab promises.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

/// Copies standard input to standard output, complains on standard error, and exits with its second argument.
static int copy(int argc) {
    char buffer[65536];
    for (ssize_t n; (n = read(0, buffer, sizeof buffer)) > 0;)
        if (write(1, buffer, n) != n)
            return 100;
    dprintf(2, "%d arguments, %s\n", argc, isatty(1) || isatty(2) ? "terminal" : "no terminal");
    return 7;
}

/// Prints what may not differ from run to run.
static int count(void) {
    unsigned long start = __rdtsc();
    for (volatile int i = 0; i < 1000; i++) {
    }
    unsigned long loop = __rdtsc() - start;
    int kvm = open("/dev/kvm", O_RDWR);
    start = __rdtsc();
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    unsigned long create = __rdtsc() - start;
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    printf("%lu ticks a loop, %lu ticks a machine, %lu since the beginning\n", loop, create, start);
    return vm >= 0 && vcpu >= 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "copy"))
        return copy(argc);
    if (argc > 1 && !strcmp(argv[1], "count"))
        return count();
    printf("spinning\n");
    fflush(stdout);
    for (;;) {
    }
}
