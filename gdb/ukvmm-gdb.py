"""gdb loads this file: by itself beside a program of the same name, if its safe path allows that, or with `gdb -x`.

It is installed under several names, all in the build's folder, and so looks for its package beside itself and in the folders above.
"""

import os
import sys


def package_folder():
    folder = os.path.dirname(os.path.realpath(__file__))
    while folder != os.path.dirname(folder):
        candidate = os.path.join(folder, "gdb")
        if os.path.isdir(os.path.join(candidate, "ukvmm_gdb")):
            return candidate
        folder = os.path.dirname(folder)
    raise ImportError("the folder gdb/ukvmm_gdb is not beside %s: cargo xtask build" % __file__)


sys.path.insert(0, package_folder())
import ukvmm_gdb  # noqa: E402

ukvmm_gdb.install()
