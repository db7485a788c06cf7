from .demo import run_demo as run_demo
from .made_up import PLANTED as PLANTED
from .made_up import Planted as Planted
from .made_up import PlantedSet as PlantedSet
from .made_up import make_planted_sequences as make_planted_sequences
