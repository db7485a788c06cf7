"""Explain DNA models: contributions of bases, the motifs in them, the factors they belong to, one report.

    from l2g_interp import attribute, discover_motifs, match_motifs, write_report

Works on any torch module from one-hot ``(batch, 4, length)`` to ``(batch, targets)``.
"""

from importlib.metadata import version

import lazy_loader

# The public names stand in __init__.pyi, for type checkers too; each is imported on first use, so that
# ``l2g-interp --help`` answers at once.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("l2g-interp")
