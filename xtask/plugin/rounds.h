/* Rounds of a measuring program: what lies between two of its readings of the time stamp counter. */
#pragma once

#include "course.h"

/* Opens the file of counts, which get written at the end of each round and metric. */
bool count_into(const char *path);
/* An instruction is about to be executed. */
void executed(unsigned cpu, void *instruction);
/* Whether it belongs to a round, perhaps. */
bool in_round(void);
