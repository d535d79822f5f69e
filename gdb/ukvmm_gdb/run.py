"""A machine of gdb's own: started by a command, ended with gdb."""

import os
import shutil
import subprocess
import tempfile
import time

import gdb

from . import attach, machine, paths
from .command import Command, words

# ukvmm makes its socket before anything else.
START_LIMIT = 10
END_LIMIT = 5


class Machine:
    """A running ukvmm, and the folder of the socket on which it listens."""

    def __init__(self, program, arguments):
        self.folder = tempfile.mkdtemp(prefix="ukvmm-")
        self.socket = os.path.join(self.folder, "gdb")
        try:
            # In a session of its own: Ctrl-C is for gdb. A shell that has no terminal waits for input, and ends when there will be none.
            self.process = subprocess.Popen(
                [program, "--gdb", "unix:%s,wait=on" % self.socket] + arguments,
                stdin=subprocess.DEVNULL if "--" in arguments else subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self.folder)
            raise gdb.GdbError("cannot start %s: %s" % (program, error.strerror))

    def wait_for_socket(self):
        limit = time.monotonic() + START_LIMIT
        while not os.path.exists(self.socket):
            if self.process.poll() is not None:
                raise gdb.GdbError("ukvmm has ended with status %d" % self.process.returncode)
            if time.monotonic() > limit:
                raise gdb.GdbError("ukvmm does not listen")
            time.sleep(0.02)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder)


class Run(Command):
    """Start a machine and attach to it before its first instruction.
    Usage: l4 run [OPTIONS OF ukvmm] [-- PROGRAM [ARGUMENTS]]
    The kernel is that of the build, and the servers are `linux` unless --servers names others. What the guest prints appears here. PROGRAM finds its standard
    input empty. Without PROGRAM there is a shell that gets no input; for one to type into, give `ukvmm -s` a terminal of its own, and gdb `l4 attach`.
    The machine ends with gdb, or with the next `l4 run`."""

    name = "run"

    def __init__(self):
        super().__init__()
        self.machine = None
        gdb.events.gdb_exiting.connect(lambda event: self.end())

    def run(self, argument, from_tty):
        build = paths.build()
        self.end()
        self.machine = Machine(os.path.join(build, "ukvmm"), _with_defaults(words(argument), build))
        try:
            self.machine.wait_for_socket()
            attach.connect(self.machine.socket, from_tty)
        except gdb.error:
            self.end()
            raise

    def end(self):
        if self.machine is None:
            return
        if machine.tasks():
            gdb.execute("disconnect", to_string=True)
        self.machine.end()
        self.machine = None


def _with_defaults(arguments, build):
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    added = []
    for option, value in (("--kernel", os.path.join(build, "guest.elf")), ("--servers", "linux")):
        if not any(word.split("=")[0] == option for word in options):
            added += [option, value]
    return added + arguments


def install():
    Run()
