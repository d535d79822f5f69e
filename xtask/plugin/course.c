#include "course.h"

/* Entries of exceptions and interrupts are learned as they are seen. */
enum { ENTRIES = 256 };
static uint64_t entries[ENTRIES];
static unsigned known;

/* The one before, and the last one of the guest. */
static const struct instruction *before, *of_guest;
/* The VMRUN that was executed last. */
static const struct instruction *vmrun;
static bool guest;

bool in_guest(void)
{
	/* The program that brought the plugin to life is a guest's. */
	return guest || !vmrun;
}

static bool is_behind(const struct instruction *one, const struct instruction *other)
{
	return other->address == one->address + one->size;
}

static bool is_entry(uint64_t address)
{
	for (unsigned i = 0; i < known; i++)
		if (entries[i] == address)
			return true;
	return false;
}

/* Whether `now` is the first instruction of the guest behind a delivery. Seen for sure are those from user mode, and those within a block; what they
 * teach about where deliveries lead finds the others. */
static bool is_delivery(const struct instruction *now)
{
	if (!of_guest || is_behind(of_guest, now) || !now->is_kernel)
		return false;
	if (is_entry(now->address))
		return true;
	bool from_user = !of_guest->is_kernel && of_guest->kind != SYSCALL;
	bool within_block = of_guest == before && !before->is_last;
	if (!from_user && !within_block)
		return false;
	if (known < ENTRIES)
		entries[known++] = now->address;
	return true;
}

struct step follow(const struct instruction *now)
{
	struct step step = { 0 };
	if (before && !before->is_last && !is_behind(before, now))
		step.is_undone = true;
	if (before && before->kind == VMRUN) {
		vmrun = before;
		guest = true;
	}
	/* Told by where it is in the machine's memory: what address the guest has for something is its own affair. */
	if (guest && vmrun && now->physical == vmrun->physical + vmrun->size) {
		guest = false;
		step.is_exit = true;
		step.is_perhaps_undone = !step.is_undone;
	}
	if (in_guest()) {
		step.is_delivery = is_delivery(now);
		step.is_perhaps_undone = step.is_delivery && of_guest == before && !step.is_undone;
		of_guest = now;
	}
	before = now;
	return step;
}
