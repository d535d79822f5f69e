"""Words out of gdb's values."""

import gdb

MASK = (1 << 64) - 1


def word(value):
    """The 64 bits of an integer, or of a structure around one: ThreadId(5), Cell<Fpage>, AtomicU64."""
    inner = unwrapped(value)
    if inner.type.strip_typedefs().code not in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_PTR):
        raise gdb.GdbError("this is no word, but a %s" % value.type)
    return int(inner) & MASK


def unwrapped(value):
    """What is in a structure of one field, as deep as it goes. Fields without bytes, such as PhantomData, do not count."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [field for field in value.type.strip_typedefs().fields() if field.type.sizeof > 0]
        if len(fields) != 1:
            break
        value = value[fields[0]]
    return value


def evaluate(expression):
    """The word that an expression of the current language gives."""
    if not expression:
        raise gdb.GdbError("an expression is needed")
    return word(gdb.parse_and_eval(expression))


def register(name):
    return int(gdb.selected_frame().read_register(name)) & MASK
