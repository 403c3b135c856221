"""The study `cutoff_transfer`: parameters learnt in full, used with a cutoff."""

from .textbook import TextbookStudy


class TestCutoffTransfer(TextbookStudy):
    name = "cutoff_transfer"
