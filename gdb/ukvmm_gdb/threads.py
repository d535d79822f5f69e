"""Commands on one thread, by the name that L4 has for it."""

import gdb

from . import machine
from .command import Command


class Thread(Command):
    """Select a thread by its L4 name.
    Usage: l4 thread T.L
    L is the number that L4 counts from 0. An expression that gives a thread identifier will do as well: l4 thread $r12"""

    name = "thread"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        thread = machine.find(argument)
        gdb.execute("thread %d.%d" % (thread.inferior.num, thread.num), from_tty)


class Where(Command):
    """Show where a thread is: what it does, and its backtrace.
    Usage: l4 where [T.L]
    Without an argument, the selected thread. The selection stays as it is."""

    name = "where"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        machine.require_stopped_thread()
        selected, frame = gdb.selected_thread(), gdb.selected_frame()
        thread = machine.find(argument) if argument else selected
        try:
            thread.switch()
            print("%s (Thread %d.%d): %s" % (machine.name(thread), *thread.ptid[:2], machine.description(thread)))
            gdb.execute("backtrace")
        finally:
            selected.switch()
            frame.select()


def install():
    Thread()
    Where()
