// Writes a line, and then follows a null pointer at the end of a list: the program of docs/debugging.md's tutorial.

#include <stdio.h>
#include <unistd.h>

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
    write(1, "about to fall\n", 14);
    return sum(&first);
}
