# A guest that says with its first instructions that it runs: a byte to the UART (COM1). Then it waits.
# Entered in 64-bit mode by ukvmm and, with the note of pvh.S, in 32-bit mode by QEMU: the code means the same in both.

	.text
	.globl _start
_start:
	.byte 0xba			# mov $0x3f8, %edx
	.long 0x3f8
	.byte 0xb0, 'F'			# mov $'F', %al
	.byte 0xee			# out %al, %dx
1:	.byte 0xf4			# hlt
	.byte 0xeb, 0xfd		# jmp 1b
