"""JASPAR from the pyjaspar package, which contains the complete database: no network."""

from __future__ import annotations

import warnings

import numpy as np

from motif_db.catalogue import Entry
from motif_db.formats import checked_ppm
from motif_db.motif import Motif

GROUP = {"jaspar-insects": "insects", "jaspar-vertebrates": "vertebrates"}


def jaspar_motifs(entry: Entry) -> list[Motif]:
    """The latest version of every CORE profile of the entry's taxonomic group and release; family is JASPAR's class."""
    motifs = []
    for profile in jaspar_profiles(entry.release.split()[0], GROUP[entry.name]):
        rows = np.array([profile.counts[base] for base in "ACGT"], dtype=np.float64).T
        ppm = checked_ppm(rows, f"{entry.name}: motif {profile.matrix_id!r}", is_counts=True)
        family = " / ".join(dict.fromkeys(profile.tf_class or []))
        motifs.append(Motif(profile.matrix_id, profile.name, entry.name, ppm, family=family))
    return motifs


def jaspar_profiles(
    release: str, group: str, collections: tuple[str, ...] = ("CORE",), all_versions: bool = False
) -> list:
    """pyjaspar's own objects, in a fixed order. Their ``acc`` has the UniProt accessions."""
    from Bio import BiopythonWarning
    from pyjaspar import jaspardb

    database = jaspardb(release=release)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)  # old releases lack some collections
        found = [
            database.fetch_motifs(collection=name, tax_group=group, all_versions=all_versions) for name in collections
        ]
    database.conn.close()
    return sorted((profile for part in found for profile in part or []), key=lambda profile: profile.matrix_id)
