"""What all commands are made of."""

import inspect

import gdb


class Command(gdb.Command):
    """A command `l4 NAME`, done by `run`. Its help is the documentation of its class, of which `help l4` shows the first line."""

    name = ""
    completer = gdb.COMPLETE_NONE

    def __init__(self):
        self.__doc__ = inspect.cleandoc(self.__class__.__doc__)
        super().__init__("l4 " + self.name, gdb.COMMAND_DATA, self.completer)

    def invoke(self, argument, from_tty):
        try:
            self.run(argument, from_tty)
        except gdb.error as error:
            # What gdb itself has to say, without a word about Python.
            raise gdb.GdbError(str(error))


class Prefix(gdb.Command):
    def __init__(self):
        self.__doc__ = "Tasks, threads and messages of ukvmm's microkernel."
        super().__init__("l4", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


def install():
    Prefix()


def words(argument):
    """The words of a command line, split as gdb does it."""
    return gdb.string_to_argv(argument)
