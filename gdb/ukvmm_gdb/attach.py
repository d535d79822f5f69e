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
        connect(_address(given[0]) if given else DEFAULT, from_tty)


def connect(place, from_tty):
    """Attaches to the machine at a place that is as gdb writes it. Breakpoints of before are for this machine, too."""
    wanted = [breakpoint for breakpoint in gdb.breakpoints() if breakpoint.enabled]
    try:
        if not machine.tasks():
            _begin_anew()
        gdb.execute("target extended-remote " + place, from_tty)
    finally:
        # gdb disables those that it does not find where there are no symbols.
        for breakpoint in wanted:
            if breakpoint.is_valid():
                breakpoint.enabled = True


def _begin_anew():
    """gdb keeps its connection after it has let go of everything there, until it has a new one: to the same machine it gets none. And it keeps the
    inferiors of before with their programs; the selected one, whatever it was, would become the kernel."""
    if any(inferior.connection is not None for inferior in gdb.inferiors()):
        gdb.execute("disconnect", to_string=True)
    first, *others = sorted(inferior.num for inferior in gdb.inferiors())
    if others:
        gdb.execute("inferior %d" % first, to_string=True)
        gdb.execute("remove-inferiors " + " ".join(map(str, others)), to_string=True)
        gdb.execute("file", to_string=True)


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
        # gdb would keep the connection, and nobody else could come.
        gdb.execute("disconnect", to_string=True)
        print("The machine runs on.")


def install():
    Attach()
    Detach()
