"""Checkpoints on the Hub: what is published, what its card says, and how one is opened, against a local server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from fake_hub import Hub, fake_hub

from l2g_core.cli import main
from l2g_core.errors import InputError
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.hub import card, is_hub_id, local
from l2g_core.model.l2g import L2G

LENGTH = 60
SCORES = {
    "metric": "pcc",
    "definition": "Pearson correlation",
    "val": {"dev": 0.71234, "hk": None},
    "test": {"dev": 0.5},
}


def checkpoint(folder: Path, sha256: str = "0" * 64, metric: str = "pcc", score: float = 0.71234) -> Path:
    torch.manual_seed(0)
    config = L2GConfig(
        ("dev", "hk"), LENGTH, units="log2 enrichment", embedder_width=4, target_tokens=10, backbone="minilm",
        backbone_training="none",
    )  # fmt: skip
    model = L2G(config)
    data = {"file": "/home/somebody/secret/activity.tsv", "sha256": sha256, "validation": "column"}
    model.provenance = {"stage": "finetune", "data": data, "versions": {"torch": "2.0"}}
    model.save_pretrained(folder, metrics=SCORES | {"metric": metric, "val": {"dev": score, "hk": None}})
    return folder


def push(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["push", *(str(a) for a in arguments)])


def test_what_is_published_opens_again_and_names_no_folder_of_yours(tmp_path: Path) -> None:
    mine = checkpoint(tmp_path / "mine")
    done = push("--model", mine, "--to", "lab/enhancers", "--licence", "mit", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    again = load(tmp_path / "out")
    for name, value in load(mine).state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    assert again.provenance["data"]["file"] == "activity.tsv"
    published = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert set(published) == {"README.md", "config.json", "metrics.json", "model.safetensors"}
    assert not any(b"secret" in content for content in published.values())
    same = push("--model", mine, "--to", "lab/enhancers", "--licence", "mit", "--output", tmp_path / "out")
    assert same.exit_code == 0
    other = push("--model", mine, "--to", "lab/enhancers", "--output", tmp_path / "out")
    assert other.exit_code == 2
    assert "licence" in other.output


def test_the_card_says_what_one_needs(tmp_path: Path) -> None:
    mine, base = checkpoint(tmp_path / "mine"), checkpoint(tmp_path / "base", score=0.6)
    text = card(mine, "lab/enhancers", "mit", base)
    head, _, body = text.removeprefix("---\n").partition("---\n")
    assert 'library_name: "l2g-interp"\nlicense: "mit"\n' in head
    assert body.startswith("# enhancers\n")
    for said in (
        "predicts: dev, hk (log2 enrichment)",
        f"up to {LENGTH} bp",
        "data, sha256: " + "0" * 64,
        "| target | this model, validation | baseline, validation | this model, test | baseline, test |",
        "| dev | 0.712 | 0.600 | 0.500 | 0.500 |",
        "| hk |  |  |  |  |",
        "l2g-interp run --model lab/enhancers --fasta enhancers.fa --output report",
    ):
        assert said in body
    assert "license" not in card(mine, "lab/enhancers")
    assert "baseline" not in card(mine, "lab/enhancers")


@pytest.mark.parametrize("other", [{"sha256": "1" * 64}, {"metric": "r2"}])
def test_a_baseline_of_other_data_or_another_metric_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    mine, base = checkpoint(tmp_path / "mine"), checkpoint(tmp_path / "base", **other)
    with pytest.raises(InputError, match="is no baseline"):
        card(mine, "lab/enhancers", None, base)


def test_names_cannot_write_markup_into_a_card(tmp_path: Path) -> None:
    mine = checkpoint(tmp_path / "mine")
    stored = json.loads((mine / "config.json").read_text())
    stored["config"]["targets"] = ["<script>|", "[x](y)"]
    (mine / "config.json").write_text(json.dumps(stored))
    text = card(mine, "lab/enhancers")
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "[x](y)" not in text


def test_what_is_no_name_or_no_checkpoint_is_not_published(tmp_path: Path) -> None:
    mine = checkpoint(tmp_path / "mine")
    for name in ("enhancers", "lab/a/b", "../x", "lab/x@v1", "lab/x y", "-lab/x"):
        done = push("--model", mine, "--to", name, "--output", tmp_path / "out")
        assert done.exit_code == 2, name
        assert "is not a name for the Hub" in done.output
    (mine / "model.safetensors").write_bytes(b"broken")
    assert push("--model", mine, "--to", "lab/x", "--output", tmp_path / "out").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_path_is_not_taken_for_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("runs/model", "runs", "/runs/model", "./runs/x", "runs/a/b", "model"):
        assert not is_hub_id(path)
        assert local(path) == Path(path)
    for name in ("lab/enhancers", "lab/enhancers@v1.0", "my-lab/en.hancers_2"):
        assert is_hub_id(name)


def in_a_process(hub: Hub, home: Path, code: str) -> subprocess.CompletedProcess[str]:
    """The address of the Hub is read when its library is imported."""
    environment = os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_TOKEN": "none"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


@pytest.mark.slow
def test_a_checkpoint_goes_to_the_hub_and_is_explained_from_there(tmp_path: Path) -> None:
    mine, fasta, output = checkpoint(tmp_path / "mine"), tmp_path / "x.fa", tmp_path / "a.h5"
    fasta.write_text(">a\n" + "ACGTTGCA" * 7 + "ACGT\n")
    l2g, interp = "from l2g_core.cli import main; main", "from l2g_interp.cli import main; main"
    explain = ("attribute", "--fasta", str(fasta), "--references", "2", "--controls", "0", "--output")
    with fake_hub() as hub:
        done = in_a_process(hub, tmp_path / "h", f"{l2g}({['push', '--model', str(mine), '--to', 'lab/enh']})")
        assert done.returncode == 0, done.stderr
        assert set(hub.repositories["lab/enh"]) == {"README.md", "config.json", "metrics.json", "model.safetensors"}
        hub.repositories["lab/enh"]["modeling.py"] = b"raise SystemExit('ran code')"
        hub.repositories["lab/enh"]["pytorch_model.bin"] = b"a pickle"
        done = in_a_process(hub, tmp_path / "h", f"{interp}({[*explain, str(output), '--model', 'lab/enh']})")
        assert done.returncode == 0, done.stderr
        assert output.exists()
        assert not any("modeling.py" in asked or "pytorch_model.bin" in asked for asked in hub.asked)
        missing = in_a_process(hub, tmp_path / "h", f"{interp}({[*explain, str(output), '--model', 'lab/none']})")
        assert missing.returncode == 2
        assert "lab/none: no such folder, and not to be had from the Hugging Face Hub" in missing.stderr
        hub.repositories["lab/enh"]["model.safetensors"] = b"broken"
        broken = in_a_process(hub, tmp_path / "new", f"{interp}({[*explain, str(output), '--model', 'lab/enh']})")
        assert broken.returncode == 2
        assert "truncated or damaged" in broken.stderr
    offline = in_a_process(hub, tmp_path / "h", f"{interp}({[*explain, str(tmp_path / 'b.h5'), '--model', 'lab/enh']})")
    assert offline.returncode == 0, offline.stderr  # from the cache
