from .options import FinetuneOptions as FinetuneOptions
from .stage import finetune as finetune
from .start import start_model as start_model
