"""Checkpoints on the Hugging Face Hub: opened by their id, published with a card that says what they are."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import create_repo, errors, snapshot_download, try_to_load_from_cache, upload_folder

from l2g_core.errors import InputError
from l2g_core.runs.files import read_json, write_json

CARD, CONFIG, WEIGHTS, METRICS_FILE = "README.md", "config.json", "model.safetensors", "metrics.json"
FILES = (CONFIG, WEIGHTS, METRICS_FILE)
HUB_ID = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_hub_id(text: str) -> bool:
    """Whether this can be ``organisation/name`` or ``organisation/name@revision``, and no path is meant.

    A path is meant where something lies there, or where its first part is a folder.
    """
    return HUB_ID.fullmatch(text) is not None and not Path(text).exists() and not Path(text).parent.is_dir()


def check_name(hub_id: str) -> None:
    """Refuse what cannot be the name of a repository, ``organisation/name``."""
    parts = HUB_ID.fullmatch(hub_id)
    if parts is None or parts["revision"]:
        raise InputError(
            f"{hub_id}: is not a name for the Hub; give organisation/name, of letters, digits, '-', '_' and '.'"
        )


def local(folder_or_hub_id: str | Path) -> Path:
    """A checkpoint folder as it is; of a checkpoint on the Hub, the folder of the cache with it."""
    text = str(folder_or_hub_id)
    return download(text) if is_hub_id(text) else Path(text)


def download(hub_id: str, **how: Any) -> Path:
    """The folder of the local cache with a checkpoint of the Hub; downloads what is not there yet.

    Only the three files of a checkpoint are fetched, never code. ``how`` goes to ``huggingface_hub.snapshot_download``.

    Raises
    ------
    InputError
        There is no such repository or revision, or no connection and nothing in the cache.
    """
    parts = HUB_ID.fullmatch(hub_id)
    if parts is None:
        raise InputError(f"{hub_id}: no such folder, and no id of the Hugging Face Hub (organisation/name)")
    how = {"revision": parts["revision"]} | how
    try:
        return Path(snapshot_download(parts["name"], allow_patterns=list(FILES), **how))
    except (OSError, errors.HFValidationError) as error:
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"{hub_id}: no such folder, and not to be had from the Hugging Face Hub ({type(error).__name__}: {said})"
        ) from error


def is_cached(name: str) -> bool:
    """Whether the cache of the Hugging Face Hub has a repository of this name."""
    return HUB_ID.fullmatch(name) is not None and isinstance(try_to_load_from_cache(name, CONFIG), str)


def write_published(
    checkpoint: Path, folder: Path, hub_id: str, licence: str | None = None, baseline: Path | None = None
) -> None:
    """Write what is published of a checkpoint: its files, without the names of your folders, and a card.

    Parameters
    ----------
    checkpoint
        The checkpoint folder.
    folder
        Where to write; made if missing.
    hub_id
        ``organisation/name``: what it will be called.
    licence
        Such as ``mit``; not stated if None.
    baseline
        A checkpoint trained on the same data with the same metric, whose scores the card shows beside these.

    Raises
    ------
    InputError
        A file is missing, or the baseline was trained on other data or scored by another metric.
    """
    stored = read_json(checkpoint / CONFIG, "l2g finetune")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint / WEIGHTS, folder / WEIGHTS)
    write_json(folder / CONFIG, stored | {"provenance": _without_folders(stored.get("provenance", {}))})
    if (checkpoint / METRICS_FILE).is_file():
        shutil.copyfile(checkpoint / METRICS_FILE, folder / METRICS_FILE)
    (folder / CARD).write_text(card(checkpoint, hub_id, licence, baseline), encoding="utf-8")


def publish(folder: Path, hub_id: str, private: bool = False) -> None:
    """Upload what `write_published` wrote, to the account of ``hf auth login``.

    Raises
    ------
    InputError
        The id is none, or the Hub refuses: not logged in, no right to write there, no connection.
    """
    try:
        create_repo(hub_id, private=private, exist_ok=True)
        upload_folder(repo_id=hub_id, folder_path=folder, allow_patterns=[*FILES, CARD], commit_message="l2g push")
    except (OSError, errors.HFValidationError) as error:
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"{hub_id}: the Hub refuses it ({type(error).__name__}: {said}); log in with 'hf auth login'"
        ) from error


def card(checkpoint: Path, hub_id: str, licence: str | None = None, baseline: Path | None = None) -> str:
    """The card of a checkpoint: what it predicts and how well, from which data, and how to use and explain it."""
    stored = read_json(checkpoint / CONFIG, "l2g finetune")
    config, provenance = stored["config"], stored.get("provenance", {})
    units = f" ({config['units']})" if config.get("units") else ""
    facts = {
        "architecture": stored["architecture"],
        "predicts": ", ".join(config["targets"]) + units,
        "task": config.get("task", "regression"),
        "sequences": f"up to {config['sequence_length']} bp",
        "backbone": config.get("backbone"),
        "data, sha256": provenance.get("data", {}).get("sha256"),
        "trained with": ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items()),
    }
    head = {"library_name": "l2g-interp", "license": licence, "tags": ["dna", "regulatory-genomics", "l2g"]}
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in head.items() if value),
        "---",
        f"# {hub_id.partition('/')[2]}",
        "",
        "A model from DNA sequence to activity, in the format of "
        "[l2g-interp](https://pypi.org/project/l2g-interp/): weights as safetensors, no code.",
        "",
        *(f"* {key}: {_plain(value)}" for key, value in facts.items() if value),
        "",
        *_scores(checkpoint, baseline),
        "## Use it, and explain it",
        "",
        "```bash",
        "pip install l2g-interp",
        f"l2g predict --model {hub_id} --fasta enhancers.fa --output predictions.tsv",
        f"l2g-interp run --model {hub_id} --fasta enhancers.fa --output report",
        "```",
        "",
        "The last line writes `report/report.html`: which bases drive each prediction, which motifs recur in them, and "
        "which factors those belong to, with a check that the contributions add up.",
        "",
    ]
    return "\n".join(lines)


def _scores(checkpoint: Path, baseline: Path | None) -> list[str]:
    """The scores as a table, beside those of the baseline."""
    if not (checkpoint / METRICS_FILE).is_file():
        if baseline is not None:
            raise InputError(f"{checkpoint}: has no {METRICS_FILE}, so there is nothing to show beside a baseline")
        return []
    columns = {"this model": checkpoint} | ({"baseline": baseline} if baseline is not None else {})
    found = {name: read_json(folder / METRICS_FILE, "l2g finetune") for name, folder in columns.items()}
    mine = found["this model"]
    if baseline is not None:
        _check_comparable(checkpoint, baseline, mine, found["baseline"])
    splits = [split for split in ("val", "test") if split in mine]
    heads = [f"{name}, {'validation' if split == 'val' else split}" for split in splits for name in columns]
    targets = list(dict.fromkeys(target for split in splits for target in mine[split]))
    rows = [
        [_plain(target), *(_score(of.get(split, {}).get(target)) for split in splits for of in found.values())]
        for target in targets
    ]
    table = [["target", *heads], ["---"] * (len(heads) + 1), *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return ["## Scores", "", f"{mine['metric']}: {mine.get('definition', '')}".strip(), "", *lines, ""]


def _check_comparable(checkpoint: Path, baseline: Path, mine: dict[str, Any], other: dict[str, Any]) -> None:
    """Scores are comparable if they are the same metric of models trained on the same data."""
    folders = (checkpoint, baseline)
    data = [read_json(of / CONFIG, "l2g finetune").get("provenance", {}).get("data", {}) for of in folders]
    rows = [(of.get("sha256"), of.get("validation")) for of in data]
    if mine["metric"] != other["metric"] or rows[0] != rows[1] or rows[0][0] is None:
        raise InputError(
            f"{baseline}: is no baseline for {checkpoint}: its data or metric ({other['metric']}) are others or unknown"
        )


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plain(value: Any) -> str:
    """A text without what would become a link, a table or markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def _without_folders(value: Any) -> Any:
    """The same, with only the last part of absolute paths: where your files lie is nobody's business."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
