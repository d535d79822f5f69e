"""The words of the kernel's interface, as text. Layouts: docs/abi.md and the crate ukernel-abi."""

REGISTER_WORDS = ("rbx", "rdi", "rsi", "rdx", "r10", "r8", "r9")
"""The registers of message words 0 to 6, and of a call's arguments."""

CALLS = (
    "ipc",
    "id_nearest",
    "fpage_unmap",
    "thread_switch",
    "thread_schedule",
    "lthread_ex_regs",
    "task_new",
)

STATUS = (
    "Ok",
    "NoSuchCall",
    "BadArgument",
    "NotExistent",
    "Denied",
    "NoMemory",
    "SendTimeout",
    "ReceiveTimeout",
    "SendCancelled",
    "ReceiveCancelled",
    "MapFailed",
    "Aborted",
    "MessageCut",
    "TransferTimeout",
    "TransferAborted",
)

KERNEL_LABELS = {
    0x8001: "PAGE_FAULT",
    0x8002: "EXCEPTION",
    0x8003: "FOREIGN",
    0x8004: "INTERRUPT",
    0x8005: "PREEMPTION",
}

ANY = (1 << 64) - 1
IRQ_LINES = 64
USER_MEMORY_LOG2 = 47


class ThreadId:
    """A thread's identifier: task, lthread, version."""

    def __init__(self, word):
        self.word = word
        self.task = word & 0xFFFF
        self.lthread = word >> 16 & 0x3FF
        self.version = word >> 26 & 0xFFFFFFFF

    def irq(self):
        """The interrupt line that it names, or None."""
        is_line = self.word & ~(0x3FF << 16) == 0 and 0 < self.lthread <= IRQ_LINES
        return self.lthread - 1 if is_line else None

    def is_thread(self):
        """Whether it can be that of a real thread."""
        return self.word >> 58 == 0 and self.version != 0

    def __str__(self):
        if self.word == 0:
            return "nil"
        if self.word == ANY:
            return "any"
        if self.irq() is not None:
            return "irq%d" % self.irq()
        return "%d.%dv%d" % (self.task, self.lthread, self.version)


class Fpage:
    """A flexpage: 2^log2 bytes of memory, ports or interrupt lines."""

    MEMORY, PORTS, IRQS = range(3)
    # log2 of the greatest size, and the number of units that there are
    LIMITS = {MEMORY: (USER_MEMORY_LOG2, 1 << USER_MEMORY_LOG2), PORTS: (16, 1 << 16), IRQS: (6, IRQ_LINES)}

    def __init__(self, word):
        self.word = word
        self.kind = word >> 10 & 3
        self.log2 = word >> 4 & 0x3F
        self.size = 1 << self.log2
        self.base = word & ~0xFFF if self.kind == self.MEMORY else word >> 12
        self.rights = "".join(letter if word & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))

    def is_valid(self):
        if self.kind not in self.LIMITS or self.word & 8 or (self.kind == self.MEMORY and self.log2 < 12):
            return False
        log2, limit = self.LIMITS[self.kind]
        return self.log2 <= log2 and self.base % self.size == 0 and self.base < limit

    def __str__(self):
        if self.word == 0:
            return "nil"
        if not self.is_valid():
            return "no flexpage (%#x)" % self.word
        if self.kind == self.PORTS:
            return "ports %#x+%d" % (self.base, self.size)
        if self.kind == self.IRQS:
            return "irqs %d+%d" % (self.base, self.size)
        return "%#x+%s %s" % (self.base, size(self.size), self.rights)


class Tag:
    """A message tag."""

    def __init__(self, word):
        self.word = word
        self.label = word >> 16
        self.words = word & 0x3F
        self.items = word >> 6 & 0x3F

    def __str__(self):
        parts = [KERNEL_LABELS.get(self.label, "label %#x" % self.label), plural(self.words, "word")]
        if self.items:
            parts.append(plural(self.items, "item"))
        if self.word & 0x8000:
            parts.append("redirected")
        if self.word & 0x4000:
            parts.append("propagated")
        return ", ".join(parts)


class Timeouts:
    """The timeouts of an ipc: of the send phase in the high half, of the receive phase in the low one."""

    NOW = 1 << 31

    def __init__(self, word):
        self.send = self._phase(word >> 32)
        self.receive = self._phase(word & 0xFFFFFFFF)

    @classmethod
    def _phase(cls, bits):
        if bits == 0:
            return "never"
        if bits == cls.NOW + 1:
            return "deadline"
        return "%d us" % bits if bits < cls.NOW else "at once"

    def __str__(self):
        return "send %s, receive %s" % (self.send, self.receive)


def status(word):
    """Name of the status in the low half of rax."""
    number = word & 0xFFFFFFFF
    return STATUS[number] if number < len(STATUS) else "no status (%#x)" % number


def call(rax):
    """Name of the L4 call whose number is in rax; None if it is a foreign one."""
    if rax & 0xFFFFFF00 != 0x80000000:
        return None
    number = rax & 0xFF
    return CALLS[number] if number < len(CALLS) else "no call (%d)" % number


def size(count):
    """A number of bytes, a power of two."""
    for unit in ("", "K", "M", "G", "T"):
        if count < 1024:
            break
        count //= 1024
    return "%d%s" % (count, unit)


def plural(count, what):
    return "%d %s%s" % (count, what, "" if count == 1 else "s")
