"""Stage 1, architecture search: which embedder family, then which (kernel, dilation) for each of its convolutions.

``stage.search`` does both and writes ``search.json``; ``result.read_search`` is how later stages take it up. Nothing
is imported here, for the command line asks this package for its command before it knows whether it needs torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
