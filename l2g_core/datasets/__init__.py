"""Sources of labelled DNA, one file each."""

from l2g_core.datasets.table import Labelled, read_table

__all__ = ["Labelled", "read_table"]
