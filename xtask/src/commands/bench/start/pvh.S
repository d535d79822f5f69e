# The note that says where QEMU enters a guest (and ukvmm a stock kernel): XEN_ELFNOTE_PHYS32_ENTRY.

	.section .note.pvh, "a", @note
	.long 4, 4, 18			# name's length, value's length, type
	.ascii "Xen\0"
	.long _start
