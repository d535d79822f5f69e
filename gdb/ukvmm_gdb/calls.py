"""The system call that a thread is about to make, out of its registers."""

import os
import xml.etree.ElementTree

import gdb

from . import machine, values, words
from .command import Command


class Call(Command):
    """Show the system call that the selected thread is about to make.
    Usage: l4 call
    For a thread at the `call` of the gate page, or at the `syscall` of a Linux program: its registers, decoded."""

    name = "call"

    def run(self, argument, from_tty):
        machine.require_stopped_thread()
        rax = values.register("rax")
        name = words.call(rax)
        if name is None:
            print(_foreign(rax))
            return
        print(name)
        for label, value in _ipc(rax) if name == "ipc" else _arguments():
            print("  %-9s %s" % (label, value))


def _ipc(rax):
    tag = words.Tag(rax >> 32)
    yield "to", words.ThreadId(values.register("r12"))
    yield "from", words.ThreadId(values.register("r13"))
    yield "tag", tag
    yield "timeouts", words.Timeouts(values.register("r14"))
    used = min(tag.words + 2 * tag.items, len(words.REGISTER_WORDS))
    for number, name in enumerate(words.REGISTER_WORDS[:used]):
        yield name, _word(values.register(name), number, tag)


def _word(value, number, tag):
    """Items begin behind the untyped words and have two words each, the first of which is a flexpage unless bit 1 of the second is set. The second
    word of an item may be in the UTCB; what it is in then cannot be told here."""
    item = number - tag.words
    if item >= 0 and item % 2 == 0 and number + 1 < len(words.REGISTER_WORDS):
        if not values.register(words.REGISTER_WORDS[number + 1]) & 2:
            return "%#x (%s)" % (value, words.Fpage(value))
    return "%#x" % value


def _arguments():
    yield "of", words.ThreadId(values.register("r12"))
    for name in words.REGISTER_WORDS:
        yield name, "%#x" % values.register(name)


def _foreign(rax):
    number = rax & 0xFFFFFFFF
    arguments = ", ".join("%#x" % values.register(name) for name in words.REGISTER_WORDS[1:])
    return "%s(%s)" % (_linux_names().get(number, "foreign call %d" % number), arguments)


def _linux_names():
    """Linux's system calls by number, as gdb has them for `catch syscall`."""
    path = os.path.join(gdb.parameter("data-directory"), "syscalls", "amd64-linux.xml")
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return {}
    return {int(call.get("number")): call.get("name") for call in root.iter("syscall")}


def install():
    Call()
