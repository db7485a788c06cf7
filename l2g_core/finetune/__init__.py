"""Stage 3, fine-tuning: the whole model on the task (paper, section 2.4.3).

``stage.finetune`` trains; ``options`` has its settings, ``start`` builds the model from what stages 1 and 2 found.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
