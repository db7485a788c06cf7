"""What fine-tuning takes from the stages before it: operators from stage 1, an aligned embedder from stage 2."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from l2g_core.align.options import EMBEDDER, RECORD
from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import EMBEDDING_PARTS, L2G
from l2g_core.runs.files import file_sha256, read_json
from l2g_core.runs.identity import differences
from l2g_core.search.result import SEARCH

SEARCHED = ("embedder", "embedder_width", "operators")
EMBEDDING = (*SEARCHED, "sequence_length", "target_tokens", "backbone", "position_embeddings")


def start_model(
    config: L2GConfig,
    chosen: Collection[str] = (),
    *,
    search: str | Path | None = None,
    start: str | Path | None = None,
) -> L2G:
    """Build the model that ``config`` describes, with what earlier stages found.

    Parameters
    ----------
    config
        Settings that were not ``chosen`` are replaced by those of the earlier stages.
    chosen
        Names of the settings in ``config`` that the user asked for; they must agree with the earlier stages.
    search
        Folder of stage 1, for embedder and operators.
    start
        Folder of stage 2, for the aligned weights of the embedder.

    Returns
    -------
    L2G
        On the CPU; its ``provenance`` names the files of the earlier stages by hash.

    Raises
    ------
    InputError
        A folder lacks a file; or a chosen setting, or the longest sequence, does not fit what is there.
    """
    before: dict[str, Any] = {}
    chosen = set(chosen)
    if search is not None:
        stored = read_json(Path(search) / SEARCH, "l2g search")
        before["search"] = {"sha256": file_sha256(Path(search) / SEARCH)}
        config = _adopt(config, {k: stored[k] for k in SEARCHED if k in stored}, chosen, Path(search) / SEARCH)
        chosen |= {"embedder", "operators"}
    if start is not None:
        stored = read_json(Path(start) / RECORD, "l2g align")
        before["align"] = {"sha256": file_sha256(Path(start) / RECORD)}
        config = _adopt_embedding(config, stored, chosen, Path(start) / RECORD)
    model = L2G(config)
    if start is not None:
        before["align"]["embedder"] = _load_embedder(model, Path(start) / EMBEDDER)
    model.provenance = before
    return model


def _adopt(config: L2GConfig, stored: Mapping[str, Any], chosen: Collection[str], path: Path) -> L2GConfig:
    """Take the stored settings; those that were chosen must agree with them."""
    asked = json.loads(json.dumps(asdict(config)))
    clashes = [d for name in stored if name in chosen for d in differences(stored[name], asked[name], name)]
    if clashes:
        raise InputError(
            f"{path}: was made with other {', '.join(clashes)}; leave the setting out, or repeat that stage"
        )
    operators = stored.get("operators")
    pairs = {"operators": tuple((int(k), int(d)) for k, d in operators)} if operators else {}
    return replace(config, **{**stored, **pairs})


def _adopt_embedding(config: L2GConfig, stored: Mapping[str, Any], chosen: Collection[str], path: Path) -> L2GConfig:
    aligned = stored.get("config")
    if not isinstance(aligned, dict) or not set(EMBEDDING) <= set(aligned):
        raise InputError(f"{path}: does not say what model it was made for; repeat that stage")
    if config.sequence_length > aligned["sequence_length"]:
        raise InputError(
            f"{path}: was made for sequences of up to {aligned['sequence_length']} bp, but the longest here has "
            f"{config.sequence_length} bp; repeat that stage on these, or leave out the longer ones"
        )
    return _adopt(config, {name: aligned[name] for name in EMBEDDING}, chosen, path)


def _load_embedder(model: L2G, path: Path) -> str:
    """Load the aligned weights into the model; returns the sha256 of their file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_readable(path)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or damaged ({error}); repeat 'l2g align'") from error
    expected = {k: list(v.shape) for k, v in model.state_dict().items() if k.startswith(EMBEDDING_PARTS)}
    clashes = list(differences({k: list(v.shape) for k, v in weights.items()}, expected))
    if clashes:
        raise InputError(
            f"{path}: does not fit this model: {', '.join(clashes[:3])}; repeat 'l2g align' with its settings"
        )
    model.load_state_dict(weights, strict=False)
    return file_sha256(path)
