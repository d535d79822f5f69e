"""Attaching and detaching."""

import gdb

from . import machine
from .command import Command, words

DEFAULT = "localhost:1234"


class Attach(Command):
    """Attach to a machine, which stops.
    Usage: l4 attach [ADDRESS]
    ADDRESS is what ukvmm was given: tcp:PORT or unix:PATH, or as gdb writes it. Without it: localhost:1234, the port of ukvmm -s."""

    name = "attach"
    completer = gdb.COMPLETE_FILENAME

    def run(self, argument, from_tty):
        given = words(argument)
        if len(given) > 1:
            raise gdb.GdbError("one address is enough, such as tcp:1234")
        gdb.execute("target extended-remote " + (_address(given[0]) if given else DEFAULT), from_tty)


def _address(text):
    if text.startswith("unix:"):
        return text[len("unix:") :]
    if text.startswith("tcp:") and ":" not in text[len("tcp:") :]:
        return "localhost:" + text[len("tcp:") :]
    return text


class Detach(Command):
    """Detach from the machine with all its tasks; it runs on.
    Usage: l4 detach
    gdb's own `detach` leaves the selected task alone."""

    name = "detach"

    def run(self, argument, from_tty):
        machine.require()
        numbers = sorted(inferior.num for inferior in machine.tasks().values())
        gdb.execute("detach inferiors " + " ".join(map(str, numbers)), from_tty)


def install():
    Attach()
    Detach()
