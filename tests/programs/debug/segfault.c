// Follows a null pointer at the end of a list, after some system calls.

#include <stdio.h>
#include <unistd.h>

#include "wait.h"

struct node {
    struct node *next;
    int value;
};

static struct node last = { NULL, 3 }, middle = { &last, 2 }, first = { &middle, 1 };

static int sum(struct node *node)
{
    int total = 0;
    for (;;) {
        total += node->value;
        node = node->next;
    }
    return total;
}

int main(void)
{
    wait_for_debugger();
    write(1, "about to fall\n", 14);
    return sum(&first);
}
