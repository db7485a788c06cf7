"""Which motifs several sets share: patterns matched to each other, a picture, and the evidence (paper, Figure 4B)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
