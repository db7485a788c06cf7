"""Stage 1, architecture search: which embedder family, then which (kernel, dilation) for each of its convolutions.

``stage.search`` does both and writes ``search.json``; later stages read it with ``result.read_search``. Nothing is
imported here until it is used, because the command line reads ``space`` from this package without importing torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
