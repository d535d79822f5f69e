# A guest that measures what it takes the VMM to be asked something: it writes the scratch register of the UART (COM1) EXITS times, which does nothing, and
# says how many ticks of the time stamp counter that took. All of it twice; the first time is not told. Then it ends the machine.
# Entered in 64-bit mode by ukvmm and, with the note of pvh.S, in 32-bit mode by QEMU: the code means the same in both.

	.text
	.globl _start
_start:
	mov	$2, %esi
1:	rdtsc
	mov	%eax, %ebx
	mov	$EXITS, %ecx
	mov	$0x3ff, %edx
2:	out	%al, %dx
	sub	$1, %ecx
	jnz	2b
	rdtsc
	sub	%ebx, %eax
	sub	$1, %esi
	jnz	1b

	mov	%eax, %ebx		# eight letters, each four bits: A to P, the highest first
	mov	$8, %ecx
	mov	$0x3f8, %edx
3:	rol	$4, %ebx
	mov	%ebx, %eax
	and	$15, %eax
	add	$'A', %eax
	out	%al, %dx
	sub	$1, %ecx
	jnz	3b

	mov	$0xf4, %edx		# exit port
	xor	%eax, %eax
	out	%al, %dx
4:	hlt
	jmp	4b
