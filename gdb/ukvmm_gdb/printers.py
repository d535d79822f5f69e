"""How gdb prints the kernel's types.

They are found where the debug information has types (`debug = 2`); words are decoded by `l4 id` and its like in any case. Rust's own printers,
for Vec, String and others, come with the toolchain; the build puts them beside this package.
"""

import os
import sys

import gdb
import gdb.printing

from . import paths, values, words


def install():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("ukvmm")
    for name, type_name, text in (
        ("ThreadId", "ukernel_abi::id::ThreadId", words.ThreadId),
        ("Fpage", "ukernel_abi::fpage::Fpage", words.Fpage),
        ("Tag", "ukernel_abi::msg::Tag", words.Tag),
        ("Timeouts", "ukernel_abi::call::Timeouts", words.Timeouts),
        ("PhysAddr", "ukernel_core::mem::machine::PhysAddr", lambda word: "phys %#x" % word),
        ("VirtAddr", "ukernel_core::mem::machine::VirtAddr", lambda word: "virt %#x" % word),
    ):
        collection.add_printer(name, "^%s$" % type_name, _word_printer(text))
    collection.add_printer("Cell", "^core::cell::Cell<.*>$", CellPrinter)
    gdb.printing.register_pretty_printer(None, collection, replace=True)
    _install_rusts()


def _word_printer(text):
    class WordPrinter:
        def __init__(self, value):
            self.value = value

        def to_string(self):
            return str(text(values.word(self.value)))

    return WordPrinter


class CellPrinter:
    """A Cell is what is in it."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        # Cell { value: UnsafeCell { value } }
        return self.value["value"]["value"]


def _install_rusts():
    folder = os.path.join(paths.PACKAGES, "rust")
    if not os.path.isfile(os.path.join(folder, "gdb_lookup.py")):
        return
    sys.path.append(folder)
    import gdb_lookup

    # Behind ours, which are for fewer types.
    gdb_lookup.register_printers(gdb)
