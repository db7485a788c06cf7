"""A discrepancy that notes how many points it was given at each call."""

from l2g_core.align.discrepancy import mmd

CALLS: list[int] = []


def counted(dna, text, dna_labels, text_labels):
    CALLS.append(len(dna))
    return mmd(dna, text)
