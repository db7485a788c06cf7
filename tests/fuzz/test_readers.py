"""Every reader of files, given valid files that were damaged at random: it reads them, or says in one line why not.

No other exception, no case over `SLOWEST` seconds or `LARGEST` bytes. Up to sixty cases of each (CI), or ten thousand::

    pytest -m '' tests/fuzz --hypothesis-profile=whole

The cases are drawn from a stored seed: the same every time. A reader that hangs in C ends its process after two
minutes, and leaves the file that did it where pytest's folders of the last runs are.
"""

from __future__ import annotations

import ast
import faulthandler
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import jaxtyping
import numpy as np
import pytest
from damage import DAMAGES, steps
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from memory import peak_memory

from l2g_core.dna import read_fasta
from l2g_core.errors import InputError
from motif_db import Motif, MotifError

ROOT = Path(__file__).resolve().parents[2]
SLOWEST, LARGEST, HANGS = 10.0, 500 * 2**20, 120.0  # seconds of work, bytes, seconds on the clock
CASES = settings.default.max_examples if settings.get_current_profile_name() == "whole" else 60
DNA = {"chr1": "ACGTTGCAAC" * 30, "chr2": "GGGGCCCCAA" * 7, "chrX": "TTTTTA"}
GENOME = "".join(
    f">{n} words\n" + "\n".join(s[i : i + 60] for i in range(0, len(s), 60)) + "\n" for n, s in DNA.items()
)
PPM = np.array([[0.7, 0.1, 0.0, 0.25], [0.1, 0.1, 1.0, 0.25], [0.1, 0.7, 0.0, 0.25], [0.1, 0.1, 0.0, 0.25]])


@dataclass(frozen=True)
class Reader:
    """``write`` makes valid files in a folder and returns those to damage; ``read`` reads one of them.

    ``damage`` is a key of `DAMAGES`; ``tokens`` are words of the format, to be put in wrong places; ``share`` of the
    cases is tried, where each takes long.
    """

    write: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], Any]
    damage: str = "text"
    tokens: tuple[bytes, ...] = ()
    share: float = 1.0


def texts(**contents: str) -> Callable[[Path], list[Path]]:
    """Write text files: ``name_ending="content"`` becomes ``name.ending``."""

    def write(folder: Path) -> list[Path]:
        paths = [folder / name.replace("_", ".") for name in contents]
        for path, content in zip(paths, contents.values(), strict=True):
            path.write_bytes(content.encode())
        return paths

    return write


def call(where: str, name: str, *arguments: Any, **options: Any) -> Callable[[Path], Any]:
    """Call a function of a module with the path first; imported when it is used, for some are slow."""
    return lambda path: getattr(importlib.import_module(where), name)(path, *arguments, **options)


def fasta(path: Path) -> None:
    from l2g_core.sequence_files import open_fasta

    whole = read_fasta(path)
    blocks = open_fasta(path)
    read = [s for block in blocks.blocks(2) for s in block.sequences] if hasattr(blocks, "blocks") else blocks.sequences
    assert read == whole.sequences


# BED and the genome


def with_genome(**contents: str) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        (folder / "genome.fa").write_text(GENOME)
        return texts(**contents)(folder)

    return write


def bed(path: Path) -> None:
    from l2g_core.dna import read_bed, reverse_complement

    found = read_bed(path, path.parent / "genome.fa", width=20)
    for place, sequence in zip(found.intervals or (), found.sequences, strict=True):
        forward = reverse_complement(sequence) if place.strand == "-" else sequence
        assert forward == DNA[place.chrom][place.start : place.end]


def genomes(folder: Path) -> list[Path]:
    from Bio.bgzf import BgzfWriter

    (folder / "plain.fa").write_text(GENOME)
    with BgzfWriter(str(folder / "packed.fa.gz")) as file:
        file.write(GENOME)
    return [folder / "plain.fa", folder / "packed.fa.gz"]


def genome(path: Path) -> None:
    """Without an index, with the one that was made, and with it after a change of the genome: the same DNA."""
    from l2g_core.dna import chromosome_sizes, read_bed

    for ending in (".fai", ".gzi"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    for _ in range(2):
        sizes = {name: size for name, size in chromosome_sizes(path).items() if size}
        regions = path.with_name("whole.bed")
        regions.write_text("".join(f"{name}\t0\t{size}\n" for name, size in sizes.items()))
        found = read_bed(regions, path).sequences
        try:
            plain = read_fasta(path)
        except InputError:
            continue
        assert found == plain.sequences


def indices(folder: Path) -> list[Path]:
    from l2g_core.dna import chromosome_sizes

    paths = genomes(folder)
    for path in paths:
        chromosome_sizes(path)
    return [folder / "plain.fa.fai", folder / "packed.fa.gz.fai", folder / "packed.fa.gz.gzi"]


def index(path: Path) -> None:
    from l2g_core.dna import chromosome_sizes

    assert chromosome_sizes(path.with_suffix("")) == {name: len(s) for name, s in DNA.items()}


# Motifs


def motif_files(folder: Path) -> list[Path]:
    from motif_db.write import WRITERS, motif_text

    motifs = [Motif("M1", "one", "d", PPM / PPM.sum(axis=0)), Motif("M2", "two", "d", PPM[::-1] / PPM.sum(axis=0))]
    for kind in WRITERS:
        (folder / f"x.{kind}").write_text(motif_text(motifs, kind))
    (folder / "x.pcm").write_text(">A.H12\n10 2 3 4\n0 0 9 1\n>B.H12\n1 1 1 1\n5 0 0 5\n")
    return sorted(folder.iterdir())


def only(kind: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [path for path in motif_files(folder) if path.suffix == f".{kind}"]


MOTIF_WORDS = (
    b"MOTIF", b"MEME version 4", b"ALPHABET= ACDEFG", b"w= 0",
    b"letter-probability matrix: alength= 4 w= 999999999 nsites= -1 E= x",
    b"A  [ 1 2 3 ]", b"PO A C G T", b"//", b"XX", b"ID", b"AC", b">M1", b"0.25 0.25 0.25 0.25", b"URL x",
)  # fmt: skip
motifs = call("motif_db.formats", "read_motifs")


# Checkpoints, training


def checkpoint(kind: str) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        from l2g_core.model.config import L2GConfig
        from l2g_core.model.l2g import L2G

        for training in ("none", "full", "lora"):
            config = L2GConfig(
                ("dev",), 60, embedder="deepsea", embedder_width=8, target_tokens=15, backbone="minilm",
                backbone_layers=1, backbone_training=training,
            )  # fmt: skip
            L2G(config).save_pretrained(folder / training)
        return [folder / training / kind for training in ("none", "full", "lora")]

    return write


def open_checkpoint(path: Path) -> None:
    from l2g_core.model.checkpoint import load

    load(path.parent)


def keras(folder: Path) -> list[Path]:
    """Weights as Keras stores them, and a few attributes as it has them."""
    from l2g_core.model.deepstarr import CONVOLUTIONS, KERAS_CONVOLUTIONS, KERAS_HEADS

    kernels: dict[str, tuple[int, ...]] = {
        name: (kernel, before, after)
        for name, (before, after, kernel) in zip(KERAS_CONVOLUTIONS, CONVOLUTIONS, strict=True)
    }
    kernels |= {"Dense_1": (120 * (249 // 16), 256), "Dense_2": (256, 256)} | dict.fromkeys(KERAS_HEADS, (256, 1))
    norms = [after for _, after, _ in CONVOLUTIONS] + [256, 256]
    with h5py.File(folder / "deepstarr.h5", "w") as file:
        file.attrs["keras_version"] = "2.3.1"
        for name, shape in kernels.items():
            file.create_dataset(f"{name}/{name}/kernel:0", shape, "f4", compression="gzip")
            file.create_dataset(f"{name}/{name}/bias:0", shape[-1:], "f4")
        for number, width in enumerate(norms, start=1):
            for name in ("gamma", "beta", "moving_mean", "moving_variance"):
                file.create_dataset(f"batch_normalization_{number}/bn/{name}:0", (width,), "f4")
    return [folder / "deepstarr.h5"]


def training_state(folder: Path) -> list[Path]:
    import torch

    from l2g_core.runs.identity import Identity
    from l2g_core.runs.state import store_state

    module = torch.nn.Linear(2, 3)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    path, identity = folder / "state.safetensors", Identity("l2g finetune", {"seed": 0})
    store_state(path, {"model": module}, optimizer, {"history": [1]}, identity)
    return [folder / "state.safetensors"]


def restore(path: Path) -> None:
    import torch

    from l2g_core.runs.identity import Identity
    from l2g_core.runs.state import restore_state

    module = torch.nn.Linear(2, 3)
    restore_state(path, {"model": module}, torch.optim.Adam(module.parameters()), Identity("l2g finetune", {"seed": 0}))


# Runs


def run_files(folder: Path) -> Path:
    """A run folder with everything in it."""
    from planted_run import planted_run
    from run_files import write_run_folder

    from l2g_core.runs.files import file_sha256, write_json
    from l2g_interp.records.attributions_file import read_attributions, write_attributions
    from l2g_interp.records.tables import write_table
    from l2g_interp.records.types import Effect, Explained, Hit, Unexplained
    from l2g_interp.run_folder import motifs_sha256

    run = planted_run(folder, n=12, length=60)
    found = read_attributions(run.attributions)
    write_attributions(run.attributions, replace(found, ids=[f"=s{i}" for i in range(len(found))]))
    write_run_folder(folder, run.patterns, run.matches)
    left = Unexplained("dev", 0, "=s0", 1, 9, "+", 1.0, 0.1, "ACGT", "x", "d/x", 0.5)
    rows: dict[str, tuple[Sequence[Any], type, str]] = {
        "validation.tsv": (run.effects, Effect, "validate"), "hits.tsv": (run.hits, Hit, "hits"),
        "explained.tsv": ([Explained("dev", 0, "=s0", 1, 1.0, 0.5, 0.1, 2)], Explained, ""),
        "unexplained.tsv": ([left], Unexplained, ""),
    }  # fmt: skip
    record = json.loads((folder / "run.json").read_text())
    record["steps"]["match"]["motifs_sha256"] = motifs_sha256(run.patterns)
    for name, (content, row_type, step) in rows.items():
        write_table(folder / name, content, row_type)
        stamp = {"motifs_sha256": motifs_sha256(run.patterns), "table_sha256": file_sha256(folder / name)}
        record["steps"] |= {step: stamp} if step else {}
    write_json(folder / "run.json", record)
    known = [{"motif_id": "M1", "database": "d", "ppm": PPM.tolist()},
             {"id": "M2", "name": "x", "database": "d", "ppm": PPM.tolist(), "label": "y"}]  # fmt: skip
    write_json(folder / "matches.motifs.json", known)
    lines = [f"'{name}\t{i}.5\t" for i, name in enumerate(read_attributions(run.attributions).ids)]
    (folder / "observed.tsv").write_text("id\tdev\thk\n" + "\n".join(lines) + "\n")
    return folder


def of_run(*names: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [run_files(folder) / name for name in names]


def attributions(path: Path) -> None:
    from l2g_interp.records.attributions_file import read_attributions, read_controls, read_overview

    for read in (read_overview, read_controls, read_attributions):
        read(path)
    read_attributions(path, rows=[0])


def with_controls(folder: Path) -> list[Path]:
    from planted import planted

    from l2g_core.dna import Interval
    from l2g_interp.records.attributions_file import append_attributions

    found = planted(8, 60)[0]
    found = replace(found, coordinates=[Interval("chr1", i, i + 60, "+") for i in range(8)])
    append_attributions(folder / "a.h5", [found], 8, [found], 8)
    return [folder / "a.h5"]


def mutation_file(folder: Path) -> list[Path]:
    from planted import planted

    from l2g_interp.records.mutations import Mutations, TargetMutations, write_mutations

    found = planted(4, 60)[0]
    one = np.zeros(4, np.float32)
    of_target = TargetMutations(np.zeros((4, 4, 60), np.float32), one, one, one, one, one)
    made = Mutations(found.ids, found.one_hot, found.lengths, {"dev": of_target}, None, {})
    write_mutations(folder / "m.h5", [made], len(made))
    return [folder / "m.h5"]


def mutations(path: Path) -> None:
    from l2g_interp.records.mutations import read_mutated, read_mutations, read_mutations_provenance

    read_mutations_provenance(path)
    read_mutated(path)
    read_mutations(path)


def trial(folder: Path) -> list[Path]:
    from l2g_core.tune.records import Trial, write_trial

    (folder / "trials" / "000").mkdir(parents=True)
    write_trial(folder, Trial(0, {"finetune.dropout": 0.1}, ({"epoch": 1, "score": 0.5},), "finished"))
    return [folder / "trials" / "000" / "trial.json"]


VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=300>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chr1\t5\t.\tT\tA,G\t.\tPASS\t.\nchr1\t9\trs1\tAC\tA\t3\t.\tDP=4\n"
)


def modisco(path: Path) -> None:
    from l2g_interp.motifs.modisco import file

    found = file.read_discovery(path, min_seqlets=0)
    file.options_of(path)
    assert set(found.patterns) == {file.target_of(path)}


def modisco_files(folder: Path) -> list[Path]:

    path = run_files(folder) / "motifs.dev.h5"
    with h5py.File(path, "r+") as file:
        file.attrs.update({"target": "dev", "options": "{}", "note": "a note", "dropped_seqlets": 3})
    return [path, folder / "motifs.hk.h5"]


def run(path: Path) -> None:
    from l2g_interp.run_folder import known_matches, read_all_patterns, read_run

    read_run(path.parent)
    known_matches(path.parent, read_all_patterns(path.parent))


def table(path: Path) -> None:
    from l2g_interp.records import tables, types

    row_types = {"matches.tsv": types.Match, "hits.tsv": types.Hit, "validation.tsv": types.Effect,
                 "explained.tsv": types.Explained, "unexplained.tsv": types.Unexplained}  # fmt: skip
    tables.read_table(path, row_types[path.name], "l2g-interp run")


def observed(path: Path) -> None:
    from l2g_interp.run_folder import read_observed

    read_observed(path, path.parent / "attributions.h5")


TABLES = ("matches.tsv", "hits.tsv", "validation.tsv", "explained.tsv", "unexplained.tsv")
READERS: dict[str, Reader] = {
    "FASTA": Reader(texts(x_fa=">a b\nACGT\nNNRY\n>b\nacgt\n\n>c\nTTT\n"), fasta, tokens=(b">a", b"ACGU", b"*")),
    "BED": Reader(
        with_genome(x_bed="track x\n#c\nchr1\t10\t60\ta\t0\t+\nchr2\t0\t50\tb\t0\t-\nchrX\t1\t5\n"), bed,
        tokens=(b"chr1", b"chr9", b"1", b"300", b"browser"),
    ),
    "narrowPeak": Reader(
        with_genome(x_narrowPeak="".join(f"chr1\t{i}\t{i + 50}\t.\t9\t.\t1\t-1\t-1\t{i % 50}\n" for i in (0, 90))),
        bed, tokens=(b"-1", b"50", b"chr1", b"5.0"),
    ),
    "genome": Reader(genomes, genome, tokens=(b">chr1", b"ACGT\n", b">", b";"), share=0.5),
    "index of a genome": Reader(indices, index, tokens=(b"chr1", b"60", b"61", b"300"), share=0.5),
    "table": Reader(
        texts(
            x_tsv="id\tsequence\ty\tsplit\na\tACGT\t1\ttrain\nb\tACGA\t2\ttest\n",
            y_csv='sequence,kind\n"ACGT",a\nACGT,b\nACGA,a\nACGA,b\n', z_txt="sequence;y\nACGT;1.5\nACGA;2\n",
            w_tsv="\tsequence\tb\n0\tACGT\tTrue\n1\tACGT\tFalse\n",
        ),
        call("l2g_core.datasets", "read_table"), tokens=(b"sequence", b"split", b"train", b"val", b"Unnamed: 0", b"id"),
    ),
    "FASTA of a data set": Reader(
        texts(x_fna=">a|1\nACGT\n>b|0\nACGA\n"),
        lambda path: list(call("l2g_core.datasets.fasta", "read_records")(path)), tokens=(b">", b"|1"),
    ),
    "SHA256SUMS": Reader(
        texts(SHA256SUMS=f"{'a' * 64}  x\n{'b' * 64} *y\n"),
        lambda path: call("l2g_core.datasets.fingerprint", "recorded")(path.parent),
    ),
    "tagged text": Reader(
        texts(x_txt="-DOCSTART- -X- O\n\nJapan NNP B-LOC\nwon VB O\n\nKay\tB-PER\nit\tO\n"),
        call("l2g_core.align.corpora", "read_tagged"), tokens=(b"B-PER", b"O", b"-DOCSTART-", b"I-"),
    ),
    **{f"motifs in {kind}": Reader(only(kind), motifs, tokens=MOTIF_WORDS)
       for kind in ("meme", "jaspar", "transfac", "homer", "pcm")},
    "genes": Reader(texts(x_txt="# x\nzld\tyes\nFBgn0003507\n'kay'\n"), call("motif_db.expression", "read_genes")),
    "experiment": Reader(
        texts(x_toml='about = "x"\n[data]\nname = "deepstarr"\ntargets = ["dev"]\n[model]\nbackbone_layers = 2\n'
                     '[finetune]\nepochs = 3\nlearning_rate = 1e-4\n[search]\nclip = 1.0\n[align]\nalpha = 0.5\n'),
        call("l2g_core.experiments.resolve", "resolve"),
        tokens=(b"[model]", b"seed", b"= -1\n", b"= true\n", b'= "x"\n', b"= [1]\n", b"= inf\n", b"[[data]]"),
    ),
    "result of a search": Reader(
        texts(search_json='{"embedder": "deepsea", "operators": [[7, 1], [5, 2], [3, 1]], "x": 1}'),
        lambda path: call("l2g_core.search.result", "read_search")(path.parent), "json",
    ),
    "configuration of a checkpoint": Reader(checkpoint("config.json"), open_checkpoint, "json", share=0.5),
    "weights of a checkpoint": Reader(checkpoint("model.safetensors"), open_checkpoint, "safetensors", share=0.5),
    "weights of DeepSTARR": Reader(keras, call("l2g_core.model.deepstarr", "import_keras"), "hdf5"),
    "training state": Reader(training_state, restore, "safetensors"),
    "attributions": Reader(with_controls, attributions, "hdf5", share=0.5),
    "TF-MoDISco": Reader(modisco_files, modisco, "hdf5", share=0.5),
    "single changes": Reader(mutation_file, mutations, "hdf5", share=0.5),
    "VCF": Reader(
        texts(x_vcf=VCF), lambda path: list(call("l2g_interp.variants.vcf", "read_vcf")(path)),
        tokens=(b"chr1", b"<DEL>", b"##INFO=<ID=DP>", b"#CHROM", b"."), share=0.5,
    ),
    "table of variants": Reader(
        texts(x_tsv="id\tposition\tref\talt\tname\n'=a\t3\tA\tC,G\tx\nb\t1\tAC\tA\t\n"),
        lambda path: list(call("l2g_interp.variants.table", "read_table")(path)), tokens=(b"id", b"alt", b"0"),
    ),
    "trial": Reader(trial, lambda path: call("l2g_core.tune.records", "read_trial", 0)(path.parents[2]), "json"),
    "run.json": Reader(of_run("run.json"), run, "json", share=0.3),
    "motifs that were matched": Reader(
        of_run("matches.motifs.json"), lambda path: call("l2g_interp.run_folder", "known_motifs")(path.parent), "json"
    ),
    "result tables": Reader(of_run(*TABLES), table, tokens=(b"dev", b"+", b"0.5", b"1")),
    "observed values": Reader(of_run("observed.tsv"), observed, tokens=(b"id", b"dev", b"=s0", b"'=s1"), share=0.5),
}  # fmt: skip


FUNCTIONS = re.compile(r"(read|load|open|known|import|recorded|resolve|chromosome_sizes)(_|$)")
PART_OF = {  # functions that take a file, by the reader that tries them
    "FASTA": "l2g_core.dna.read_fasta l2g_core.sequence_files.open_fasta l2g_core.text.open_text "
             "l2g_core.text.open_bytes",
    "BED": "l2g_core.dna.read_bed l2g_core.sequence_files.open_bed l2g_core.intervals.read_intervals",
    "genome": "l2g_core.genome.open_genome l2g_core.genome.chromosome_sizes",
    "table": "l2g_core.datasets.table.read_table l2g_core.datasets.columns.read_frame "
             "l2g_core.datasets.columns.read_header",
    "FASTA of a data set": "l2g_core.datasets.fasta.read_records",
    "SHA256SUMS": "l2g_core.datasets.fingerprint.recorded",
    "tagged text": "l2g_core.align.corpora.read_tagged",
    "motifs in meme": "motif_db.formats.read_motifs motif_db.formats.read_unpacked motif_db.database.load "
                      "motif_db.database.load_database",
    "genes": "motif_db.expression.read_genes",
    "experiment": "l2g_core.experiments.resolve.resolve",
    "result of a search": "l2g_core.search.result.read_search l2g_core.runs.files.read_json",
    "trial": "l2g_core.tune.records.read_trial",
    "weights of a checkpoint": "l2g_core.model.checkpoint.load l2g_core.model.checkpoint.load_weights "
                               "l2g_core.model.hostile.read_header",
    "weights of DeepSTARR": "l2g_core.model.deepstarr.import_keras",
    "attributions": " ".join(f"l2g_interp.records.attributions_file.read_{what}" for what in (
        "attributions", "controls", "overview", "numbers")) + " l2g_interp.records.hdf5.open_hdf5",
    "single changes": "l2g_interp.records.mutations.read_mutations "
                      "l2g_interp.records.mutations.read_mutations_provenance "
                      "l2g_interp.records.mutations.read_mutated",
    "TF-MoDISco": "l2g_interp.motifs.modisco.file.read_patterns l2g_interp.motifs.modisco.file.read_discovery",
    "run.json": "l2g_interp.run_folder.read_all_patterns l2g_interp.run_folder.read_run "
                "l2g_interp.run_folder.read_evidence l2g_interp.run_folder.known_matches "
                "l2g_interp.run_folder.known_mutations l2g_interp.records.run_record.read_record",
    "motifs that were matched": "l2g_interp.run_folder.known_motifs",
    "result tables": "l2g_interp.records.tables.read_table",
    "observed values": "l2g_interp.records.observed.read_observed",
    "VCF": "l2g_interp.variants.vcf.read_vcf",
    "table of variants": "l2g_interp.variants.table.read_table",
}  # fmt: skip
NO_READERS = {  # functions with such a name that leave the reading to one of those
    "l2g_core.datasets.catalogue.open_dataset", "l2g_core.datasets.dart_eval.read", "l2g_core.datasets.deepstarr.read",
    "l2g_core.datasets.genomic_benchmarks.read", "l2g_core.datasets.labelled_table.read_classes",
    "l2g_core.datasets.nucleotide_transformer.read", "l2g_core.runs.ledger.known_sha256",
    "l2g_interp.motifs.hits.read_block", "l2g_interp.pipeline.effects.open_for_planting",
}  # fmt: skip


def test_every_reader_is_tried() -> None:
    """A new function that reads a file: put it into READERS and PART_OF, or into NO_READERS."""
    tried = {name for names in PART_OF.values() for name in names.split()}
    assert not PART_OF.keys() - READERS.keys()
    assert set(readers_of("l2g_core", "l2g_interp", "motif_db")) == tried | NO_READERS


def readers_of(*packages: str) -> Iterator[str]:
    """Public functions of the packages' modules that by their names read, and take a path; not those of commands."""
    for path in (path for package in packages for path in (ROOT / package).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body if ".commands." not in module else ():
            if isinstance(node, ast.FunctionDef) and FUNCTIONS.match(node.name) and "Path" in ast.unparse(node.args):
                yield f"{module}.{node.name}"


@pytest.fixture(autouse=True)
def as_users_run_it() -> Iterator[None]:
    """Without the check of types, which raises before a reader can, and is off outside the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_line(folder: Path, name: str) -> None:
    reader = READERS[name]
    change, kinds = DAMAGES[reader.damage]
    own = folder / "".join(filter(str.isalpha, name))
    own.mkdir()
    starts = [(path, path.read_bytes()) for path in reader.write(own)]
    for path, _ in starts:
        reader.read(path)

    @settings(
        max_examples=max(1, round(CASES * reader.share)) if CASES < 1000 else CASES, derandomize=True, database=None,
        deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, len(starts) - 1), steps(kinds))
    def try_it(number: int, todo: list) -> None:
        path, valid = starts[number]
        more = (reader.tokens,) if reader.damage == "text" else ()
        path.write_bytes(change(valid, todo, *more))
        try:
            one_line(reader.read, path)
        finally:
            path.write_bytes(valid)

    try_it()


def one_line(read: Callable[[Path], Any], path: Path) -> None:
    """Read it, or be refused in one line that names the file or its folder; within limits of time and memory."""
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__)
    memory, began = peak_memory(), time.process_time()
    try:
        read(path)
    except (InputError, MotifError) as error:
        said = str(error)
        assert "\n" not in said
        assert path.parent.name in said, said
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.process_time() - began < SLOWEST
    assert peak_memory() - memory < LARGEST
