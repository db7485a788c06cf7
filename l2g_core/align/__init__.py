"""Stage 2, alignment: the embedder learns the task, and to resemble the language model's text (paper, section 2.4.2).

``corpora`` reads tagged text, ``tokens`` and ``text`` turn it into reference embeddings, ``discrepancy`` measures how
far DNA is from them, ``stage`` trains (with ``options`` and ``points``), ``measure`` and ``picture`` show the result.
Nothing is imported here until it is used, because the command line reads ``options`` without importing torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
