"""All tasks, as the tree that they are."""

import re

import gdb

from . import machine
from .command import Command

# A row of `monitor tasks`: number, name, chief, threads, frames, their limit, page tables.
ROW = re.compile(r"\s*(\d+)\s+(.*?)\s+(\d+)\s+\d+\s+\S+\s+\S+\s+\S+")


class Ps(Command):
    """Show all tasks and their threads, each task below its chief: the one that made it.
    Usage: l4 ps
    The selected thread has an asterisk."""

    name = "ps"

    def run(self, argument, from_tty):
        machine.require()
        machine.refresh()
        tree = Tree()
        for task in tree.tops() + tree.tasks:
            tree.show(task, 0)


class Tree:
    def __init__(self):
        matches = [ROW.fullmatch(line) for line in machine.monitor("tasks").splitlines()]
        rows = [match.groups() for match in matches if match]
        self.names = {int(number): name for number, name, _ in rows}
        self.names[machine.KERNEL] = "kernel"
        self.chiefs = {int(number): int(chief) for number, _, chief in rows}
        self.processes = machine.tasks()
        self.tasks = sorted(set(self.names) | set(self.processes))
        self.shown = set()

    def tops(self):
        return [task for task in self.tasks if self.chiefs.get(task) not in self.names]

    def show(self, task, depth):
        """Each once, whatever a kernel that has gone mad says about chiefs."""
        if task in self.shown:
            return
        self.shown.add(task)
        indent = "  " * depth
        print("%s%d %s" % (indent, task, self.names.get(task, "?")))
        for thread in machine.threads(self.processes[task]) if task in self.processes else ():
            mark = "*" if thread == gdb.selected_thread() else " "
            print("%s%s Thread %s (%s)" % (indent, mark, machine.name(thread), machine.description(thread)))
        for below in self.tasks:
            if self.chiefs.get(below) == task:
                self.show(below, depth + 1)


def install():
    Ps()
