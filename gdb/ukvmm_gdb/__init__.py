"""What gdb learns about ukvmm's machines: `help l4` lists the commands.

- `words`: the words of the kernel's interface, as text; knows nothing of gdb
- `values`: words out of gdb's values
- `printers`: how gdb prints the kernel's types
- `machine`: the machine that gdb is attached to: its threads, its monitor
- `settings`: what is set when this is loaded; `paths`: where things are
- `stops`: what gdb leaves undone when the machine stops
- `attach`: attaching and detaching; `run`: a machine of gdb's own
- `decode`, `calls`: commands on words and on registers
- `tasks`, `threads`, `state`: commands on the machine
- `functions`: convenience functions for conditions of breakpoints

For gdb 12 and later.
"""

_installed = False


def install():
    """Makes everything known to gdb. May be called again: each program has a loader of its own beside it."""
    global _installed
    if _installed:
        return
    _installed = True
    from . import (
        attach,
        calls,
        command,
        decode,
        functions,
        printers,
        run,
        settings,
        state,
        stops,
        tasks,
        threads,
    )

    for module in (command, attach, calls, decode, functions, printers, run, settings, state, stops, tasks, threads):
        module.install()
