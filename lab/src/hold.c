// Keeps a virtual machine in the lab's KVM for as long as the lab runs, in the background.
//
// With the first machine, and again when the last one has gone, Linux rewrites an instruction of its scheduler (`preempt_notifier_key`), and others
// with the first virtual CPU whose local APIC is off (`apic_sw_disabled`). For a moment there is an INT3 in its place. A CPU of QEMU's TCG that
// translates the place just then keeps the INT3 for good, and the lab stands still. So there is always one such machine.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void) {
    int kvm = open("/dev/kvm", O_RDWR);
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0) {
        perror("lab: cannot keep a virtual machine");
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        // Nobody waits for this one, nor for the end of its output.
        for (int stream = 0; stream < 3; stream++)
            close(stream);
        for (;;)
            pause();
    }
    return child < 0;
}
