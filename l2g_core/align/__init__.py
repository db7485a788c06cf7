"""Stage 2: the embedder learns the task and to speak like the language model's own text (paper section 2.4.2).

``corpora`` reads tagged text, ``tokens`` and ``text`` turn it into reference embeddings, ``discrepancy`` tells how far
DNA is from them, ``align`` trains (``options``, ``points``), ``measure`` and ``picture`` show what came of it, and
``command`` is ``l2g align``. Nothing is imported here, for the command line asks for the command first.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
