"""Settings of gdb's that go with ukvmm's machines."""

import gdb

from . import paths


def install():
    # The machine runs and stands as a whole: `continue` is for all its tasks, not for the selected one.
    gdb.execute("set schedule-multiple on")
    # Who loads this trusts the build that it is of. Otherwise gdb would complain of each of its programs.
    gdb.execute("add-auto-load-safe-path " + paths.ABOVE)
