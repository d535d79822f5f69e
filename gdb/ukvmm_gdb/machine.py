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
        raise gdb.GdbError("no thread is selected: l4 thread 5.2")
    if thread.is_running():
        raise gdb.GdbError("the machine runs: Ctrl-C, or interrupt")


def monitor(command):
    """Output of a command of the machine's monitor."""
    require()
    return gdb.execute("monitor " + command, to_string=True)


def refresh():
    """Has gdb read which processes and threads there are. It would select a process that is new to it."""
    selected = gdb.selected_thread()
    gdb.selected_inferior().threads()
    if selected is not None and selected.is_valid():
        selected.switch()


def tasks():
    """The tasks as gdb's inferiors, by number; the kernel is one."""
    return {inferior.pid: inferior for inferior in gdb.inferiors() if inferior.pid}


def threads(inferior):
    """The threads of a task in their order."""
    return sorted(inferior.threads(), key=number)


def number(thread):
    """A thread's number in its process: 2 of Thread 5.2."""
    return thread.ptid[1]


def name(thread):
    """A thread as `info threads` and the monitor have it: 5.2"""
    return "%d.%d" % (thread.ptid[0], number(thread))


def description(thread):
    return (thread.details or "").strip()


def find(text):
    """The gdb thread of `5.2`, as gdb and the monitor write it, of `5.1v3`, as L4 does, or of an expression that gives a thread identifier."""
    require()
    refresh()
    if not text:
        raise gdb.GdbError("a thread is needed, such as 5.2")
    process, wanted = _parse(text)
    inferior = tasks().get(process)
    for thread in inferior.threads() if inferior else ():
        if number(thread) == wanted:
            return thread
    raise gdb.GdbError("there is no Thread %d.%d" % (process, wanted))


def _parse(text):
    written = re.fullmatch(r"(\d+)\.(\d+)(v\d+)?", text)
    if written:
        process, thread, version = written.groups()
        return int(process), int(thread) + (version is not None)
    identifier = words.ThreadId(values.evaluate(text))
    if not identifier.is_thread():
        raise gdb.GdbError("%s is no thread" % identifier)
    return identifier.task, identifier.lthread + 1
