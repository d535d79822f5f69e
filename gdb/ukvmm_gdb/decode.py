"""Commands that say what a word means. They need no machine and no debug information."""

import gdb

from . import values, words
from .command import Command


class Id(Command):
    """Decode a thread identifier.
    Usage: l4 id EXPRESSION
    Prints TASK.LTHREADvVERSION, irqLINE, nil or any.
    Thread 5.2 of gdb's and the monitor's is lthread 1 of task 5: they count from 1."""

    name = "id"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        identifier = words.ThreadId(values.evaluate(argument))
        print(identifier if identifier.irq() is not None or identifier.is_thread() else _no_thread(identifier))


def _no_thread(identifier):
    text = str(identifier)
    return text if text in ("nil", "any") else "%s (no thread has this identifier)" % text


class Fpage(Command):
    """Decode a flexpage: memory, I/O ports or interrupt lines, with the rights to it.
    Usage: l4 fpage EXPRESSION"""

    name = "fpage"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        print(words.Fpage(values.evaluate(argument)))


class Tag(Command):
    """Decode a message tag: label, number of words and of items, marks.
    Usage: l4 tag EXPRESSION
    The tag is the high half of rax: l4 tag $rax >> 32."""

    name = "tag"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        word = values.evaluate(argument)
        if word >> 32:
            raise gdb.GdbError("a tag has 32 bits; that of a call in rax is $rax >> 32")
        print(words.Tag(word))


class Timeouts(Command):
    """Decode the timeouts of an ipc.
    Usage: l4 timeouts EXPRESSION
    They are in r14: l4 timeouts $r14."""

    name = "timeouts"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        print(words.Timeouts(values.evaluate(argument)))


class Status(Command):
    """Decode the status of a system call.
    Usage: l4 status EXPRESSION
    After the call it is the low half of rax: l4 status $rax."""

    name = "status"
    completer = gdb.COMPLETE_EXPRESSION

    def run(self, argument, from_tty):
        print(words.status(values.evaluate(argument)))


def install():
    for command in (Id, Fpage, Tag, Timeouts, Status):
        command()
