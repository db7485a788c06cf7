"""The databases that have a name here: what they are, who made them, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

ARCHIVE = "https://meme-suite.org/meme/meme-software/Databases/motifs/motif_databases.12.27.tgz"


@dataclass(frozen=True)
class Entry:
    """One database.

    ``kind`` is how to get it: ``download`` (fetched once, into the user's cache), ``package`` (inside an installed
    Python package) or ``shipped`` (inside this one). ``source`` is its address; for a download, ``member`` is the
    file inside that archive and ``sha256`` the hash of the unpacked file. ``count`` is the number of motifs.
    """

    name: str
    title: str
    organism: str
    release: str
    licence: str
    citation: str
    source: str
    count: int
    kind: str
    sha256: str = ""
    member: str = ""

    @property
    def file(self) -> str:
        """The usual file name of a download."""
        return self.member.rpartition("/")[2]


JASPAR = (
    "JASPAR2026 CORE, latest version of each profile",
    "CC BY 4.0",
    "Ovek Baydar et al. 2026, Nucleic Acids Research 54 (JASPAR 2026)",
    "https://jaspar.elixir.no",
)

ENTRIES = (
    Entry(
        "onthefly",
        "OnTheFly",
        "Drosophila melanogaster",
        "2014, MEME motif archive 12.27",
        "no right to redistribute known; fetched, never shipped",
        "Shazman et al. 2014, Nucleic Acids Research 42:D167 (doi:10.1093/nar/gkt1165)",
        ARCHIVE,
        608,
        "download",
        "ae51c21908e19de20709349fffdbb9795c379af2b7da890460a76e5580796b19",
        "motif_databases/FLY/OnTheFly_2014_Drosophila.meme",
    ),
    Entry(
        "flyfactorsurvey",
        "FlyFactorSurvey",
        "Drosophila melanogaster",
        "2010-2013, MEME motif archive 12.27",
        "CC BY-NC 2.5; fetched, never shipped",
        "Zhu et al. 2011, Nucleic Acids Research 39:D111 (doi:10.1093/nar/gkq858)",
        ARCHIVE,
        656,
        "download",
        "300399d9f5038ab179ba2378a684e02f9d40013b8af365d62a09049bbb76b80e",
        "motif_databases/FLY/fly_factor_survey.meme",
    ),
    Entry("jaspar-insects", "JASPAR insects", "insects", *JASPAR, 296, "package"),
    Entry("jaspar-vertebrates", "JASPAR vertebrates", "vertebrates", *JASPAR, 1019, "package"),
    Entry(
        "core-promoter",
        "Core promoter and enhancer elements",
        "Drosophila melanogaster",
        "1, from published consensus sequences",
        "MIT",
        "each element's own, in motif_db/data/core_promoter.tsv",
        "motif_db/data/core_promoter.tsv",
        21,
        "shipped",
    ),
)


def available() -> dict[str, Entry]:
    """The catalogue, by name."""
    return {entry.name: entry for entry in ENTRIES}
