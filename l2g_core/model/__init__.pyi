from .checkpoint import SequenceModel as SequenceModel
from .checkpoint import fingerprint as fingerprint
from .checkpoint import load as load
from .checkpoint import save as save
from .config import L2GConfig as L2GConfig
from .deepstarr import DeepSTARR as DeepSTARR
from .l2g import L2G as L2G
