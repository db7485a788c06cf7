"""Motif databases by name or path, with the names that people use. Does not depend on the other two packages."""

from motif_db.catalogue import Entry, available
from motif_db.database import Database, load, load_database
from motif_db.motif import Motif, MotifError
from motif_db.similarity import group_duplicates
from motif_db.write import motif_text

__all__ = [
    "Database",
    "Entry",
    "Motif",
    "MotifError",
    "available",
    "group_duplicates",
    "load",
    "load_database",
    "motif_text",
]
