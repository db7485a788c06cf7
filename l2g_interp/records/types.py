"""What the stages pass to each other: attributions, patterns and matches, in memory and on disk.

``attributions.h5`` (one row per sequence)::

    /ids                              str
    /length                           int32, before padding
    /sequence/one_hot                 int8    (N, 4, L)
    /targets/<name>/hypothetical      float32 (N, 4, L)
    /targets/<name>/prediction        float32 (N,)
    /targets/<name>/reference_prediction, delta, stability          float32 (N,)
    /targets/<name>/standard_error    float32 (N, L)
    /targets/<name>/fold_spread, prediction_spread                  float32 (N, L) and (N,), of several folds
    /targets/<name>/n_references      float32 (N,), where as many as needed were taken
    /coordinates/{chrom,start,end,strand}                           where known
    /controls/                                                      the same for shuffled sequences, if there are any
    attributes: method, n_references, seed, model_fingerprint, versions, command, ... (JSON in ``provenance``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int8

from l2g_core.dna import Interval
from l2g_core.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Row = TypeVar("Row", bound=DataclassInstance)


COMPLETENESS_BOUND = 1e-3  # of the output difference; above it the sums are not to be trusted
MOST_NAMES = 10  # of targets, in a message
ROUNDING = 1e-5  # of the outputs themselves: about a hundred times what float32 rounds to


def completeness_error(delta: Any, difference: Any) -> Any:
    """``delta`` as a fraction of the output difference that the contributions should explain: of numbers or arrays."""
    return delta / np.maximum(np.abs(difference), np.finfo(np.float32).tiny)


def adds_up(numbers: Mapping[str, np.ndarray], bound: float = COMPLETENESS_BOUND) -> bool:
    """Whether contributions add up to the output difference, to ``bound`` of it and to what float32 can tell.

    Parameters
    ----------
    numbers
        ``delta``, ``prediction`` and ``reference_prediction`` of some sequences, in the units of the output. A delta of
        NaN, of a method that does not promise sums, passes; an infinite one, where nothing finite came out, does not,
        nor does a prediction that is not finite.
    """
    delta, outputs = numbers["delta"], (numbers["prediction"], numbers["reference_prediction"])
    rounding = ROUNDING * np.mean([np.abs(output) for output in outputs], axis=0)
    if np.isinf(delta).any() or not np.isfinite(outputs[0]).all():
        return False
    excess = delta - bound * np.abs(outputs[0] - outputs[1]) - rounding
    return not excess.mean() > 0  # NaN is not greater


def overall_completeness_error(numbers: Mapping[str, np.ndarray]) -> float:
    """mean |delta| / mean |f(x) - mean f(reference)| of all sequences; NaN where contributions need not add up."""
    difference = np.abs(numbers["prediction"] - numbers["reference_prediction"])
    if not len(difference):
        return float("nan")
    return float(completeness_error(numbers["delta"].mean(), difference.mean()))


def sums_missed(by_target: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """Which targets' contributions do not add up, and by how much, as a line; empty if all do."""
    errors = {name: overall_completeness_error(numbers) for name, numbers in by_target.items() if not adds_up(numbers)}
    if not errors:
        return ""
    worst, names = np.max(list(errors.values())), some_of(list(errors))
    lost = {name: int((~np.isfinite(by_target[name]["prediction"])).sum()) for name in errors}
    if any(lost.values()):
        told = some_of([f"{name} ({n} of {len(by_target[name]['prediction'])})" for name, n in lost.items() if n])
        return f"{told}: the predictions are NaN or infinite: nothing can be explained there; check the model"
    if not np.isfinite(worst):
        return f"{names}: the contributions are not all finite: do not trust them"
    return (
        f"{names}: the contributions miss the difference that they explain by a fraction of {worst:.2g} "
        f"(bound {COMPLETENESS_BOUND:.0e}): do not trust their sums"
    )


@dataclass(frozen=True)
class TargetAttributions:
    """Contributions to one target, in the units of the model's output.

    ``delta`` is the completeness error: the mean over references of
    ``|sum of contributions - (f(x) - f(reference))|``; NaN where the contributions need not add up.
    ``standard_error`` is that of each base's contribution over the references, and ``stability`` the expected
    correlation of the contributions with those from a fresh draw of references; NaN without references.
    ``fold_spread`` and ``prediction_spread``: where the mean of several folds was explained, the standard deviations
    between them, of each base's contribution and of the prediction. ``n_references``: how many each sequence needed,
    where that was found out.
    """

    one_hot: Int8[np.ndarray, "n 4 length"]
    hypothetical: Float32[np.ndarray, "n 4 length"]
    prediction: Float32[np.ndarray, " n"]
    reference_prediction: Float32[np.ndarray, " n"]
    delta: Float32[np.ndarray, " n"]
    standard_error: Float32[np.ndarray, "n length"]
    stability: Float32[np.ndarray, " n"]
    fold_spread: Float32[np.ndarray, "n length"] | None = None
    prediction_spread: Float32[np.ndarray, " n"] | None = None
    n_references: Float32[np.ndarray, " n"] | None = None

    @property
    def contributions(self) -> Float32[np.ndarray, "n 4 length"]:
        """Hypothetical contributions at the bases that are there."""
        return self.hypothetical * self.one_hot

    @property
    def completeness_error(self) -> float:
        """mean |delta| / mean |f(x) - mean f(reference)|; NaN where the contributions need not add up."""
        return overall_completeness_error(vars(self))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the sequences, by name; of the `OPTIONAL` ones those that there are."""
        return {name: vars(self)[name] for name in (*ARRAYS, *OPTIONAL) if vars(self)[name] is not None}


OPTIONAL = ("fold_spread", "prediction_spread", "n_references")  # of several folds; of an adaptive number
ARRAYS = tuple(f.name for f in fields(TargetAttributions) if f.name not in ("one_hot", *OPTIONAL))


@dataclass(frozen=True)
class Attributions:
    """Contributions of every base of ``n`` sequences to one or more targets; ``attributions["dev"]`` is one."""

    ids: list[str]
    one_hot: Int8[np.ndarray, "n 4 length"]
    lengths: Int[np.ndarray, " n"]
    by_target: dict[str, TargetAttributions]
    coordinates: list[Interval] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.by_target)

    def __getitem__(self, target: str) -> TargetAttributions:
        return self.by_target[target]

    def __len__(self) -> int:
        return len(self.ids)


PER_SEQUENCE = ("prediction", "reference_prediction", "delta", "stability")


@dataclass(frozen=True)
class Overview:
    """One number per sequence for each target (the arrays named in `PER_SEQUENCE`), without the bases."""

    ids: list[str]
    lengths: Int[np.ndarray, " n"]
    by_target: dict[str, dict[str, Float32[np.ndarray, " n"]]]
    provenance: dict[str, Any] = field(default_factory=dict)
    coordinates: list[Interval] | None = None


@dataclass(frozen=True)
class Seqlets:
    """The stretches that make up a pattern, 0-based half-open in their sequence, on its forward strand.

    ``example`` is the row in the attributions; ``is_revcomp`` says that the pattern lies on the other strand.
    """

    example: Int[np.ndarray, " k"]
    start: Int[np.ndarray, " k"]
    end: Int[np.ndarray, " k"]
    is_revcomp: Bool[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.example)


@dataclass(frozen=True)
class Pattern:
    """A recurring motif in the contributions to one target. Matrices are ``(4, width)``, rows ACGT.

    ``ppm``: base frequencies; ``cwm``: mean contributions; ``hcwm``: mean hypothetical contributions.
    ``name`` is TF-MoDISco's, such as ``pos_patterns.pattern_0``; ``sign`` is ``+`` or ``-``.
    """

    target: str
    name: str
    sign: str
    ppm: Float[np.ndarray, "4 width"]
    cwm: Float[np.ndarray, "4 width"]
    hcwm: Float[np.ndarray, "4 width"]
    seqlets: Seqlets

    @property
    def n_seqlets(self) -> int:
        return len(self.seqlets)


@dataclass(frozen=True)
class Match:
    """One database motif that resembles a pattern: a row of ``matches.tsv``.

    ``label`` is what people call the factor. ``strand``, ``offset`` and ``overlap`` place the motif on the
    trimmed pattern (bp; offset may be negative). ``q_value`` is Benjamini-Hochberg over the whole search. ``family``
    and ``flybase`` are empty where unknown; ``reason`` says why a pattern's first match names it or does not.
    ``likeness``: mean of two cosines, best aligned: of the CWM with the motif's letters in bits, and of the
    hypothetical contributions, less their mean over the bases, with its log-odds. Rank 1 is the match that won the vote
    (`l2g_interp.motifs.naming.vote`). ``expressed``: ``yes`` or ``no`` where the user said which genes are and the
    motif's are known.
    """

    target: str
    pattern: str
    sign: str
    n_seqlets: int
    rank: int
    motif_id: str
    motif_name: str
    label: str
    database: str
    p_value: float
    q_value: float
    strand: str
    offset: int
    overlap: int
    family: str = ""
    flybase: str = ""
    reason: str = ""
    likeness: float = float("nan")
    expressed: str = ""


@dataclass(frozen=True)
class Effect:
    """What planting a pattern into shuffled backgrounds does to the prediction: a row of ``validation.tsv``.

    ``effect``: mean change of the prediction, in the units of the output, with ``copies`` copies; ``control``: the
    same with the columns of the pattern shuffled; ``excess``: mean of their paired difference. ``low`` and ``high``
    are the ends of 95 % bootstrap intervals over the backgrounds. ``pattern`` of another target starts with that
    (``dev/pos_patterns.pattern_0``); ``name`` is what people call it, empty where it has no name.
    """

    target: str
    pattern: str
    sign: str
    copies: int
    n_backgrounds: int
    effect: float
    effect_low: float
    effect_high: float
    control: float
    control_low: float
    control_high: float
    excess: float
    excess_low: float
    excess_high: float
    name: str = ""


@dataclass(frozen=True)
class Hit:
    """Where a motif occurs: a row of ``hits.tsv``; 0-based half-open on the sequence's forward strand.

    ``pattern``: a pattern of the target by its name, one of another target with that before it
    (``dev/pos_patterns.pattern_0``), or database and id of a known motif; ``name``: what people call it, empty where it
    has no name. ``row`` is the row in the attributions, ``sign`` that of the contributions. ``similarity``: cosine
    between the contributions there and the trimmed CWM. ``contribution``: sum of the contributions under the hit.
    ``seqlet``: 1 if TF-MoDISco clustered a seqlet of the pattern there. ``tier``: 1 if the likeness reaches the motif's
    floor, 2 if the site only resembles it. ``gain``: product of the contributions with the CWM of length 1;
    ``likeness``: cosine of the hypothetical contributions, less their mean over the bases, with the motif's.
    """

    target: str
    pattern: str
    sign: str
    row: int
    id: str
    start: int
    end: int
    strand: str
    similarity: float
    contribution: float
    seqlet: int
    name: str = ""
    tier: int = 1
    gain: float = float("nan")
    likeness: float = float("nan")


@dataclass(frozen=True)
class Explained:
    """How much of what stands out in a sequence has a name: a row of ``explained.tsv``.

    ``segments``: stretches that stand out of shuffled sequences; ``standing_out``: the sum of their contributions,
    without their signs; ``named`` and ``resembling``: what lies in named hits, and only in others; ``n_named``: named
    hits.
    """

    target: str
    row: int
    id: str
    segments: int
    standing_out: float
    named: float
    resembling: float
    n_named: int


@dataclass(frozen=True)
class Unexplained:
    """A stretch that stands out and that no motif explains: a row of ``unexplained.tsv``; 0-based half-open.

    ``in_hits``: the share of its contribution that lies in hits of any kind; ``letters``: with 5 bp on either side;
    ``nearest``, ``motif``, ``likeness``: the motif that it resembles most, which need not be much (empty where no
    motif has a cosine of 0.5 with its contributions).
    """

    target: str
    row: int
    id: str
    start: int
    end: int
    sign: str
    contribution: float
    in_hits: float
    letters: str
    nearest: str
    motif: str
    likeness: float


@dataclass(frozen=True)
class PairEffect:
    """What two motifs do together beyond what each does alone: a row of ``pairs.tsv``.

    ``first`` lies upstream of ``second``, ``spacing`` bp between them (``distance``: between their centres), on these
    strands; motifs as ``dev/pos_patterns.pattern_0``. ``first_effect``, ``second_effect``, ``joint_effect``: mean
    changes of the prediction of ``target`` in the same backgrounds. ``interaction``: joint less both single ones;
    ``control``: the same with the columns of one partner shuffled; ``excess``: their paired difference, which is
    tested. ``low`` and ``high`` are the ends of 95 % bootstrap intervals over the backgrounds; ``p_value``: Wilcoxon's
    signed-rank test, two-sided; ``q_value``: Benjamini-Hochberg over the table. ``kind``:
    `l2g_interp.effects.pairs.kind_of`.
    """

    target: str
    first: str
    second: str
    first_strand: str
    second_strand: str
    spacing: int
    distance: float
    n_backgrounds: int
    first_effect: float
    second_effect: float
    joint_effect: float
    interaction: float
    interaction_low: float
    interaction_high: float
    control: float
    excess: float
    excess_low: float
    excess_high: float
    p_value: float
    q_value: float
    kind: str
    first_name: str = ""
    second_name: str = ""


@dataclass(frozen=True)
class Removal:
    """What is lost when the hits of a motif are replaced by background letters: a row of ``removals.tsv``.

    ``pattern``, ``name``: as of `Hit`, or `ALL_NAMED` or `ALL_HITS` for these at once. ``n_sequences`` of the
    ``with_hits`` sequences that have such hits were changed, in ``n_hits`` places. ``loss``: mean prediction less that
    without the hits; ``control``: the same of equally long stretches outside any hit, in ``n_controls`` of the
    sequences; ``excess``: their paired difference there. ``contribution``: what the contributions in the hits sum to.
    ``singly``: for all at once, the sum of the losses of each motif alone, in the same sequences. ``share``: of the
    prediction less that of shuffled sequences, what is lost. ``remade``: of the draws, how many still read as the
    motif. ``low`` and ``high`` are the ends of 95 % bootstrap intervals over the sequences; NaN where unknown.
    """

    target: str
    pattern: str
    name: str
    with_hits: int
    n_sequences: int
    n_hits: int
    loss: float
    loss_low: float
    loss_high: float
    n_controls: int
    control: float
    excess: float
    excess_low: float
    excess_high: float
    contribution: float
    singly: float
    share: float
    share_low: float
    share_high: float
    remade: float
    needed: str


ALL_NAMED, ALL_HITS = "all named hits", "all hits"  # at once, in the column ``pattern`` of a `Removal`


@dataclass(frozen=True)
class Run:
    """Everything that the report shows: the contents of a run folder.

    ``patterns`` by target, in TF-MoDISco's order; ``motifs`` the PPM ``(4, width)`` of every matched motif by
    (database, motif id); ``notes`` by target, problems such as too few seqlets;
    ``observed`` the measured values by target, NaN where unknown, in the order of the sequences; ``effects`` and
    ``hits`` are empty where the run was not validated or its hits were not called, ``pairs`` and ``removals`` where
    none were planted or removed. ``mutations``: the file of single changes, if there is one.
    """

    attributions: Path
    patterns: dict[str, list[Pattern]]
    matches: list[Match]
    motifs: dict[tuple[str, str], Float[np.ndarray, "4 _"]]
    provenance: dict[str, Any]
    notes: dict[str, str] = field(default_factory=dict)
    observed: dict[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    explained: list[Explained] = field(default_factory=list)
    unexplained: list[Unexplained] = field(default_factory=list)
    pairs: list[PairEffect] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    mutations: Path | None = None


def evenly_spaced(n: int, most: int) -> Int[np.ndarray, " _"]:
    """At most ``most`` of ``n`` rows, from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def safe_name(target: str) -> str:
    """A target's name for use in a file name or HDF5 path: unchanged if it is plain ASCII, else percent-encoded."""
    return quote(target, safe=" ").replace(".", "%2E")


def check_targets(wanted: Sequence[str], known: Sequence[str], source: str) -> None:
    """Refuse an unknown target and list the known ones, the nearest of many."""
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, MOST_NAMES, 0.3) if len(known) > MOST_NAMES else []
            there = f"{len(known)}, and the nearest are {', '.join(near)}" if near else some_of(known)
            raise InputError(f"{source}: no target {name!r}; it has {there}")


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"
