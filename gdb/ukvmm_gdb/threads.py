"""Commands on one thread, by the name that L4 has for it."""

import gdb

from . import machine
from .command import Command


class Thread(Command):
    """Select a thread by its name in the machine.
    Usage: l4 thread THREAD
    THREAD is as `info threads` and the monitor write it (5.2), as L4 does (5.1v3), or an expression that gives a thread identifier ($r12)."""

    name = "thread"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        thread = machine.find(argument)
        gdb.execute("thread %d.%d" % (thread.inferior.num, thread.num), from_tty)


class Where(Command):
    """Show where a thread is: what it does, and its backtrace.
    Usage: l4 where [THREAD]
    THREAD is as in `l4 thread`; without it, the selected one. The selection stays as it is."""

    name = "where"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        machine.require_stopped_thread()
        selected, frame = gdb.selected_thread(), gdb.selected_frame()
        thread = machine.find(argument) if argument else selected
        try:
            thread.switch()
            print("Thread %s (%s)" % (machine.name(thread), machine.description(thread)))
            gdb.execute("backtrace")
        finally:
            selected.switch()
            frame.select()


class Registers(Command):
    """Show all registers of the selected thread, control registers and the upper halves of AVX as well.
    Usage: l4 registers [REGISTER...]
    gdb asks what registers there are for its first inferior alone, and takes others for ordinary processes. This has it ask for the selected one, too."""

    name = "registers"

    def run(self, argument, from_tty):
        machine.require_stopped_thread()
        gdb.execute("unset tdesc filename", to_string=True)
        gdb.execute("info registers " + argument)


def install():
    Registers()
    Thread()
    Where()
