"""The machine that gdb is attached to.

A gdb process is an L4 task (its pid is the task's number) and a gdb thread is an L4 thread: Thread T.N is lthread N - 1 of task T. The kernel is
process 65536, whose threads are the vCPUs.
"""

import re

import gdb

from . import values, words

KERNEL = 65536


def require():
    """Fails unless gdb is attached to a machine."""
    if not any(inferior.pid for inferior in gdb.inferiors()):
        raise gdb.GdbError("gdb is attached to no machine: l4 attach")


def require_stopped_thread():
    require()
    thread = gdb.selected_thread()
    if thread is None:
        raise gdb.GdbError("no thread is selected: thread N, or l4 thread T.L")
    if thread.is_running():
        raise gdb.GdbError("the machine runs: Ctrl-C, or interrupt")


def monitor(command):
    """Output of a command of the machine's monitor."""
    require()
    return gdb.execute("monitor " + command, to_string=True)


def tasks():
    """The tasks as gdb's inferiors, by number; the kernel is one."""
    return {inferior.pid: inferior for inferior in gdb.inferiors() if inferior.pid}


def threads(inferior):
    """The threads of a task in their order."""
    return sorted(inferior.threads(), key=lambda thread: thread.ptid[1])


def lthread(thread):
    return thread.ptid[1] - 1


def name(thread):
    """A thread as L4 calls it."""
    task = thread.ptid[0]
    return "vCPU %d" % lthread(thread) if task == KERNEL else "%d.%d" % (task, lthread(thread))


def description(thread):
    return (thread.details or "").strip()


def find(text):
    """The gdb thread of `5.1`, `5.1v3`, or an expression that gives a thread identifier."""
    require()
    written = re.fullmatch(r"(\d+)\.(\d+)(?:v\d+)?", text)
    if written:
        task, number = int(written.group(1)), int(written.group(2))
    else:
        identifier = words.ThreadId(values.evaluate(text))
        if not identifier.is_thread():
            raise gdb.GdbError("%s is no thread" % identifier)
        task, number = identifier.task, identifier.lthread
    inferior = tasks().get(task)
    for thread in inferior.threads() if inferior else ():
        if lthread(thread) == number:
            return thread
    raise gdb.GdbError("there is no thread %d.%d" % (task, number))
