from .options import AlignOptions as AlignOptions
from .options import TextOptions as TextOptions
from .stage import align as align
from .text import text_reference as text_reference
