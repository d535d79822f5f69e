"""What gdb leaves undone when it meets processes that it did not start.

Where it attaches to several at once, it asks for the registers of the selected one alone, and looks only there whether the program has been moved. And a
process that it first hears of when the machine stops becomes the selected one, so that where the machine has stopped is lost; ukvmm therefore tells of
new ones only when gdb asks a second time, which is here.

It also takes the process that it has connected to for one that is being connected to until that is made to run while it is the selected one. If
another is, gdb misses the first stop in it, and waits for ever.
"""

import gdb

from . import machine

_connection = None


def install():
    gdb.events.stop.connect(_stopped)


def _stopped(event):
    selected = gdb.selected_thread()
    if machine.KERNEL not in machine.tasks() or selected is None or selected.inferior.connection is None:
        return
    try:
        # One thread is enough to have gdb read the list of all.
        gdb.execute("info threads %d.%d" % (selected.inferior.num, selected.num), to_string=True)
        _set_up(selected)
    finally:
        if selected.is_valid():
            selected.switch()


def _set_up(selected):
    """Once for each connection. What comes later is set up by gdb."""
    global _connection
    connection = selected.inferior.connection.num
    if connection == _connection:
        return
    _connection = connection
    for inferior in machine.tasks().values():
        if inferior.threads():
            inferior.threads()[0].switch()
            gdb.execute("unset tdesc filename", to_string=True)
            # Says nothing new, and has gdb look where the program is.
            gdb.execute("set sysroot " + gdb.parameter("sysroot"), to_string=True)
    selected.switch()
    # As if it were made to run.
    try:
        gdb.execute("with suppress-cli-notifications on -- stepi 0")
    except gdb.error:
        # gdb 12 cannot be told to be quiet, and says twice where it is.
        gdb.execute("stepi 0", to_string=True)
