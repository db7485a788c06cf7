"""What changes of single bases do to a model's predictions, and which motifs they make or break."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
