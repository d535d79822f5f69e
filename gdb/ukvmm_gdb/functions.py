"""Convenience functions, for conditions of breakpoints above all: break send if $l4_task(to) == 5"""

import inspect

import gdb

from . import values, words


class Function(gdb.Function):
    def __init__(self, name, of):
        self.__doc__ = inspect.cleandoc(of.__doc__)
        super().__init__(name)
        self.of = of

    def invoke(self, value):
        return self.of(values.word(value))


def task(word):
    """The task in a thread identifier: $l4_task(ID)"""
    return words.ThreadId(word).task


def lthread(word):
    """The number of a thread within its task, from its identifier: $l4_lthread(ID)"""
    return words.ThreadId(word).lthread


def label(word):
    """The label in a message tag: $l4_label(TAG)"""
    return words.Tag(word).label


def identifier(word):
    """A thread identifier as text: $l4_id(ID)"""
    return str(words.ThreadId(word))


def fpage(word):
    """A flexpage as text: $l4_fpage(WORD)"""
    return str(words.Fpage(word))


def tag(word):
    """A message tag as text: $l4_tag(TAG)"""
    return str(words.Tag(word))


def install():
    for name, of in (
        ("l4_task", task),
        ("l4_lthread", lthread),
        ("l4_label", label),
        ("l4_id", identifier),
        ("l4_fpage", fpage),
        ("l4_tag", tag),
    ):
        Function(name, of)
