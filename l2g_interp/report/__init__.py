"""The report: a run folder in, one self-contained HTML file out. To add a section, see `SECTIONS`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
