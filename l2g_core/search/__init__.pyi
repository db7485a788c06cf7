from .options import SearchOptions as SearchOptions
from .result import read_search as read_search
from .stage import search as search
