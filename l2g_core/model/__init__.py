"""The L2G model and its parts; checkpoints; the DeepSTARR network to compare with."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
