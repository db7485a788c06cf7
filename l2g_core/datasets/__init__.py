"""Labelled DNA: the data sets of the paper by name, and any table; one file per source.

``open_dataset`` opens either. To add a data set: an `Entry` in a file here, and its line in ``DATASETS``.
"""

from l2g_core.datasets.catalogue import DATASETS, open_dataset
from l2g_core.datasets.entry import Entry, File
from l2g_core.datasets.fetch import fetch
from l2g_core.datasets.labelled import Labelled, seen_in_training
from l2g_core.datasets.table import read_table

__all__ = ["DATASETS", "Entry", "File", "Labelled", "fetch", "open_dataset", "read_table", "seen_in_training"]
