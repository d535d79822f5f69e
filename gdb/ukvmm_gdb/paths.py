"""Where things are."""

import os

import gdb

PACKAGES = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
"""The folder `gdb`, in the build or in the repository."""

ABOVE = os.path.dirname(PACKAGES)


def build():
    """The folder of the build."""
    for folder in (ABOVE, os.path.join(ABOVE, "build")):
        if os.path.isfile(os.path.join(folder, "ukvmm")):
            return folder
    raise gdb.GdbError("there is no ukvmm in %s: cargo xtask build" % ABOVE)
