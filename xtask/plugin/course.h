/* The course of execution: which instruction follows which, and what that tells. */
#pragma once

#include "instruction.h"

/* What is behind an instruction, or between it and the one before. */
struct step {
	/* The instruction before has not been executed to its end: there was a fault, or an exit from the guest. */
	bool is_undone;
	/* Perhaps so: it was the last one of its block, where also interrupts come. */
	bool is_perhaps_undone;
	/* An exception or interrupt was delivered. */
	bool is_delivery;
	/* The guest was left. */
	bool is_exit;
};

/* An instruction is about to be executed. */
struct step follow(const struct instruction *now);
/* Whether the guest executes now, and not the host. */
bool in_guest(void);
