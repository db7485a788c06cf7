from .in_memory import score_variants as score_variants
from .rows import MotifChange as MotifChange
from .rows import NotScored as NotScored
from .rows import Variant as Variant
from .rows import VariantEffect as VariantEffect
from .rows import in_region as in_region
from .score import ScoreOptions as ScoreOptions
