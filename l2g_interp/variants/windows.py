"""The windows in which a model sees both alleles.

A window lies around the middle of the change, and is moved inwards where the chromosome or sequence ends. A variant
that changes the length would move everything on one side of it, and the model might take what enters or leaves at the
end of the window for an effect of the variant. So there are two windows of the alternative, both as long as the model
reads: in one the left end stays where it is in the reference and bases enter or leave on the right, in the other the
right end stays. The effect is the mean over both, and half of what they differ by says how much of it is an end's.
"""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.variants.changes import Change, Letters


@dataclass(frozen=True)
class Window:
    """``length`` bp from ``start`` (0-based); ``context`` has ``flank`` more bases on either side."""

    chrom: str
    start: int
    length: int
    context: str
    flank: int

    @property
    def reference(self) -> str:
        return self.context[self.flank : self.flank + self.length]

    def alternatives(self, at: int, n_ref: int, alt: str) -> tuple[str, ...]:
        """The window with ``n_ref`` bases from ``at`` (counted from its start) replaced: one text, or two.

        Two, the first with the left end fixed, where the length changes; it must not shrink by more than ``flank``.
        """
        first = self.flank + at
        whole = self.context[:first] + alt + self.context[first + n_ref :]
        left_fixed = whole[self.flank : self.flank + self.length]
        longer = len(alt) - n_ref
        if not longer:
            return (left_fixed,)
        end = self.flank + self.length + longer
        return left_fixed, whole[end - self.length : end]


def window_around(change: Change, letters: Letters, length: int) -> Window | None:
    """The window of a change; None where the chromosome or sequence is too short for it.

    A deletion needs as many bases more, on either side, as it takes away.
    """
    flank = max(0, -change.longer)
    size = letters.sizes[change.chrom]
    last = size - length - flank
    if last < flank:
        return None
    start = min(max(change.start + change.n_ref // 2 - length // 2, flank), last)
    context = letters.cut(change.chrom, start - flank, start + length + flank)
    return Window(change.chrom, start, length, context, flank)
