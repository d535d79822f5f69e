// A program that waits until somebody debugs it, who then says `set var is_attached = 1`.

#pragma once

#include <unistd.h>

static volatile int is_attached;

static void wait_for_debugger(void)
{
    static const char text[] = "waiting for a debugger\n";
    write(1, text, sizeof text - 1);
    while (!is_attached)
        usleep(1000);
}
