"""The monitor's commands, for what is selected: tasks and addresses need not be written as numbers."""

import gdb

from . import machine, values
from .command import Command


class Ipc(Command):
    """Show who waits for whom, and deadlocks.
    Usage: l4 ipc"""

    name = "ipc"

    def run(self, argument, from_tty):
        _show("ipc")


class Space(Command):
    """Show what a task has mapped.
    Usage: l4 space [TASK]
    TASK is a number or a name; without it, the task of the selected thread."""

    name = "space"

    def run(self, argument, from_tty):
        _show("space", argument or _selected_task())


class Mappings(Command):
    """Show from whom the selected task has a page, and who has it from this task.
    Usage: l4 mappings ADDRESS
    ADDRESS is an expression: l4 mappings $rsp"""

    name = "mappings"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        machine.require()
        _show("mappings", _selected_task(), "%#x" % values.evaluate(argument))


def _show(*command):
    print(machine.monitor(" ".join(command)), end="")


def _selected_task():
    machine.require_stopped_thread()
    task = gdb.selected_inferior().pid
    if task == machine.KERNEL:
        raise gdb.GdbError("the kernel is selected, which is no task: l4 thread 5.1")
    return str(task)


def install():
    for command in (Ipc, Space, Mappings):
        command()
