"""Stage 1: the mixed convolution is what it says, the search finds a planted dilation, and a kill leaves no trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from folders import visible
from small_training import LENGTH, write_table
from torch.nn import functional as F

from l2g_core.cli import main as l2g
from l2g_core.datasets import Labelled, read_table
from l2g_core.dna import Sequences
from l2g_core.errors import InputError
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import EMBEDDERS, embedder_class
from l2g_core.model.embedders.layers import OperatorConv
from l2g_core.model.l2g import L2G
from l2g_core.search.choose import best_of
from l2g_core.search.dash import batch_statistics, mixed_network, shape_logit_gradient
from l2g_core.search.mixed import MixedConv, convolve, fast_length
from l2g_core.search.network import TaskNetwork, build
from l2g_core.search.options import SearchOptions
from l2g_core.search.result import read_search
from l2g_core.search.space import SPACES, space_for, support
from l2g_core.search.stage import search

CONFIG = L2GConfig(("dev",), LENGTH, embedder_width=4, target_tokens=15, backbone="minilm", dropout=0.0)
SEARCHABLE = [name for name in EMBEDDERS if embedder_class(name).N_CONVOLUTIONS]
EVEN = ((3, 1), (4, 1), (4, 3), (8, 5), (5, 7), (1, 1))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> L2GConfig:
    """For a language model of width 16, so that ResNet's last block is quick; only its configuration is read."""
    from transformers import BertConfig

    folder = tmp_path_factory.mktemp("narrow")
    BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, intermediate_size=16).save_pretrained(folder)
    return replace(CONFIG, backbone=str(folder))


def table(folder: Path, n: int = 120, length: int = LENGTH) -> Path:
    return write_table(folder / "t.tsv", n, length)


def own_weights(layer: MixedConv, candidate: int) -> torch.Tensor:
    """A candidate's weights as ``nn.Conv1d`` keeps them: (out, in, kernel)."""
    return layer.weight[layer.owners == candidate].permute(1, 2, 0)


@pytest.mark.parametrize("candidates", [SPACES["short"].candidates, SPACES["long"].candidates, EVEN])
@pytest.mark.parametrize("length", [7, 61, 249])
def test_the_summed_kernel_is_the_weighted_sum_of_separate_convolutions(candidates, length: int) -> None:
    torch.manual_seed(0)
    layer = MixedConv(3, 5, candidates).double()
    x = torch.randn(2, 3, length, dtype=torch.float64)
    probabilities = torch.rand(len(candidates), dtype=torch.float64).softmax(0)
    expected = layer.bias[:, None].expand(2, 5, length)
    for number, (kernel, dilation) in enumerate(candidates):
        total = dilation * (kernel - 1)
        padded = F.pad(x, (total // 2, total - total // 2))
        one = F.conv1d(padded, own_weights(layer, number), dilation=dilation)
        expected = expected + probabilities[number] * one
    found = convolve(x, layer.kernel(probabilities), layer.left) + layer.bias[:, None]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_gradients_of_weights_and_logits_are_those_of_separate_convolutions() -> None:
    torch.manual_seed(0)
    candidates = ((3, 1), (3, 3), (5, 2))
    layer = MixedConv(2, 3, candidates).double()
    x = torch.randn(2, 2, 20, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 3, 20, dtype=torch.float64)
    parameters = (layer.logits, layer.weight, layer.bias, x)
    torch.manual_seed(1)
    found = torch.autograd.grad(F.mse_loss(layer(x), target), parameters)
    torch.manual_seed(1)
    share = layer.probabilities()
    separate = [
        share[n] * F.conv1d(x, own_weights(layer, n), dilation=d, padding=d * (k - 1) // 2)
        for n, (k, d) in enumerate(candidates)
    ]
    expected = torch.autograd.grad(F.mse_loss(sum(separate) + layer.bias[:, None], target), parameters)  # pyright: ignore
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def chosen_network(model: TaskNetwork, mixed: list[MixedConv], embedder: str, config: L2GConfig) -> TaskNetwork:
    """The embedder of the leaders, as stages 2 and 3 build it, with the leaders' own weights."""
    trained = build(config, embedder, [layer.best() for layer in mixed], seed=1)
    shapes = {k: v.shape for k, v in trained.state_dict().items()}
    weights = {k: v for k, v in model.state_dict().items() if shapes.get(k) == v.shape}
    trained.load_state_dict(weights, strict=False)
    convolutions = [m for m in trained.embedder.modules() if isinstance(m, OperatorConv)]
    assert [(c.kernel_size[0], c.dilation[0]) for c in convolutions] == [layer.best() for layer in mixed]
    with torch.no_grad():
        for layer, convolution in zip(mixed, convolutions, strict=True):
            convolution.weight.copy_(own_weights(layer, int(layer.logits.argmax())))
            assert convolution.bias is not None
            convolution.bias.copy_(layer.bias)
    return trained


@pytest.mark.parametrize("embedder", SEARCHABLE)
@pytest.mark.parametrize("length", [60, 249, 700])
def test_what_is_searched_is_what_is_trained(narrow: L2GConfig, embedder: str, length: int) -> None:
    """With all probability on one candidate per layer, the mixed network is the network that is trained."""
    config = replace(narrow, sequence_length=length)
    model, mixed = mixed_network(embedder, config, SearchOptions())
    assert len(mixed) == embedder_class(embedder).N_CONVOLUTIONS
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for layer in mixed:
            layer.logits.fill_(-torch.inf)[int(rng.integers(len(layer.candidates)))] = 0.0
    trained = chosen_network(model, mixed, embedder, config).double().eval()
    x = torch.eye(4, dtype=torch.float64)[torch.randint(4, (3, length))].transpose(1, 2)
    x[0, :, length - 10 :] = 0
    with torch.no_grad():
        torch.testing.assert_close(model.double().eval()(x), trained(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_every_convolution_with_an_operator_is_searched_in_the_order_of_operators(embedder: str) -> None:
    """A new entry of EMBEDDERS is tested here without writing a test: its layers must come in the operators' order."""
    family = embedder_class(embedder)
    given = [(3 + 2 * (i % 3), 1 + i) for i in range(family.N_CONVOLUTIONS)]
    made = [m for m in family(16, 4, given).modules() if isinstance(m, OperatorConv)]
    assert [(m.kernel_size[0], m.dilation[0]) for m in made] == given


def test_probabilities_are_noisy_and_sum_to_one() -> None:
    torch.manual_seed(0)
    layer = MixedConv(2, 2, SPACES["short"].candidates)
    first, second = layer.probabilities(), layer.probabilities()
    assert not torch.equal(first, second)
    assert first.sum().item() == pytest.approx(1)
    with torch.no_grad():
        layer.logits[3] = 50.0
    assert layer.probabilities()[3].item() == pytest.approx(1)


def test_logit_gradients_have_one_norm_and_a_price_for_support() -> None:
    layer = MixedConv(2, 2, ((3, 1), (11, 7)))
    layer.logits.grad = torch.tensor([30.0, 40.0])
    shape_logit_gradient(layer, SearchOptions(logit_gradient=0.01, support_cost=1e-4))
    expected = [0.006 + 1e-4 * support((3, 1)), 0.008 + 1e-4 * support((11, 7))]
    assert layer.logits.grad.tolist() == pytest.approx(expected)
    assert (support((3, 1)), support((11, 7))) == (3, 71)


def test_a_mixed_network_is_scored_by_the_statistics_of_each_batch() -> None:
    torch.manual_seed(0)
    model, _ = mixed_network("unet", replace(CONFIG, embedder_width=4), SearchOptions())
    learned = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(16, 4, CONFIG.sequence_length)
    norm = model.embedder.get_submodule("first.1")
    seen: list[torch.Tensor] = []
    handle = norm.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    model.eval()
    with torch.no_grad(), batch_statistics(model):
        model.predict_strand(x, torch.full((16,), CONFIG.sequence_length))
    handle.remove()
    assert seen[0].mean(dim=(0, 2)).abs().max() < 1e-5
    assert (seen[0].var(dim=(0, 2)) - 1).abs().max() < 0.01
    assert all(torch.equal(value, learned[name]) for name, value in model.state_dict().items())


def test_spaces_and_lengths() -> None:
    assert space_for(600) == "short"
    assert space_for(601) == "long"
    assert len(SPACES["short"].candidates) == len(SPACES["long"].candidates) == 20
    assert max(map(support, SPACES["long"].candidates)) == 271
    assert [fast_length(n) for n in (1, 7, 284, 641)] == [2, 8, 288, 648]


SPACING = 14  # bp: further than an undilated kernel of 11 reaches, and of 1, 3, 5 and 7 a multiple of 1 and 7 only
OTHER_SPACINGS = (11, 13, 16, 17, 19, 22, 23)  # which no candidate reads
NET = L2GConfig(("spaced=0", "spaced=1"), 120, "classification", embedder_width=8, backbone="minilm")


def spaced_letters(n: int, seed: int) -> Labelled:
    """Letters tend to come again after SPACING in one half of the sequences, after another distance in the other."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, NET.sequence_length))
    labels = np.arange(n) % 2
    for row, label in zip(codes, labels, strict=True):
        spacing = SPACING if label else rng.choice(OTHER_SPACINGS)
        for place in range(spacing, len(row)):
            if rng.random() < 0.7:
                row[place] = row[place - spacing]
    sequences = ["".join("ACGT"[code] for code in row) for row in codes]
    data = Sequences([f"s{i}" for i in range(n)], sequences, "planted")
    splits = ["val" if i % 10 >= 8 else "train" for i in range(n)]
    return Labelled(data, ("spaced",), labels[:, None].astype(np.float32), splits, "two of ten", str(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_dilation_of_a_planted_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setitem(EMBEDDERS, "one", "one_convolution:OneConvolution")
    options = SearchOptions(embedder="one", epochs=20, fraction=1.0, batch_size=64, augment=False, seed=seed)
    result = search(spaced_letters(1280, seed), NET, tmp_path, options, shown=False)
    ((_, dilation),) = result["operators"]
    assert dilation == 7


QUICK = SearchOptions(embedder="deepsea", epochs=3, fraction=1.0, batch_size=32)


def command(data: Path, output: Path, *more: object) -> list[str]:
    sizes = ["--embedder-width", "4", "--batch-size", "32", "--device", "cpu"]
    return ["search", str(data), "--output", str(output), *sizes, *map(str, more)]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(l2g, list(arguments))


def test_a_search_writes_what_later_stages_read(tmp_path: Path) -> None:
    data = read_table(table(tmp_path))
    result = search(data, CONFIG, tmp_path / "out", QUICK, shown=False)
    embedder, operators = read_search(tmp_path / "out")
    assert embedder == "deepsea"
    assert operators is not None
    assert [list(pair) for pair in operators] == result["operators"]
    L2G(replace(CONFIG, embedder=embedder, operators=operators, backbone_training="none"))
    stored = json.loads((tmp_path / "out" / "search.json").read_text())
    assert stored == result
    assert stored["data"]["sha256"] == data.sha256
    assert [record["epoch"] for record in stored["trajectory"]] == [1, 2, 3]
    for record in stored["trajectory"]:
        assert len(record["leaders"]) == len(record["entropies"]) == len(record["probabilities"]) == 3
        assert all(0 < entropy <= np.log(20) + 1e-6 for entropy in record["entropies"])
    best = [stored["candidates"][int(np.argmax(logits))] for logits in stored["logits"]]
    assert best == stored["operators"] == stored["trajectory"][-1]["leaders"]
    picture = (tmp_path / "out" / "search.svg").read_text()
    kernel, dilation = stored["operators"][0]
    assert f"1: kernel {kernel}, dilation {dilation}" in picture
    assert visible(tmp_path / "out") == ["search.json", "search.svg"]


def test_a_search_that_ends_undecided_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = read_table(table(tmp_path))
    search(data, CONFIG, tmp_path / "short", replace(QUICK, epochs=1), shown=False)
    assert "3 of 3 convolutions are undecided" in caplog.text
    assert "less than twice its even share of 5 % (5 % on average)" in caplog.text
    caplog.clear()
    quick_to_decide = replace(QUICK, epochs=4, logit_learning_rate=20.0)
    result = search(data, CONFIG, tmp_path / "decided", quick_to_decide, shown=False)
    assert min(result["trajectory"][-1]["probabilities"]) > 0.1
    assert "undecided" not in caplog.text


def test_a_finished_search_is_taken_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = read_table(table(tmp_path))
    options = replace(QUICK, epochs=1)
    first = search(data, CONFIG, tmp_path, options, shown=False)
    written = (tmp_path / "search.json").stat().st_mtime_ns
    caplog.set_level("INFO", logger="l2g_core")
    assert search(data, CONFIG, tmp_path, options, shown=False) == first
    assert (tmp_path / "search.json").stat().st_mtime_ns == written
    assert "finished earlier, left as it is" in caplog.text
    with pytest.raises(InputError, match=r"options\.seed \(0 then, 1 now\)"):
        search(data, CONFIG, tmp_path, replace(options, seed=1), resume=True, shown=False)
    again = search(data, CONFIG, tmp_path, replace(options, seed=1), overwrite=True, shown=False)
    assert again["seed"] == 1
    assert again["trajectory"] != first["trajectory"]


def test_the_choice_takes_the_family_with_the_best_validation_score(tmp_path: Path, narrow: L2GConfig) -> None:
    data = read_table(table(tmp_path))
    result = search(data, narrow, tmp_path, replace(QUICK, embedder=None, epochs=1), shown=False)
    assert list(result["choice"]) == list(EMBEDDERS)
    assert result["embedder"] == best_of(result["choice"])
    n = embedder_class(result["embedder"]).N_CONVOLUTIONS
    assert len(result["operators"] or []) == n
    assert best_of({"resnet": None, "unet": 0.25, "deepsea": 0.5, "orca": 0.5}) == "deepsea"


def test_a_family_with_nothing_to_search_can_win_the_choice_and_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_table(table(tmp_path))
    with pytest.raises(InputError, match="'orca' has no convolution to search"):
        search(data, CONFIG, tmp_path, replace(QUICK, embedder="orca"), shown=False)
    monkeypatch.setattr("l2g_core.search.choose.EMBEDDERS", {"orca": EMBEDDERS["orca"]})
    result = search(data, CONFIG, tmp_path, replace(QUICK, embedder=None), shown=False)
    assert (result["embedder"], result["operators"], result["trajectory"]) == ("orca", None, [])
    assert read_search(tmp_path) == ("orca", None)


def test_families_that_need_longer_sequences_are_left_out(
    tmp_path: Path, narrow: L2GConfig, caplog: pytest.LogCaptureFixture
) -> None:
    data = read_table(table(tmp_path, length=12))
    config = replace(narrow, sequence_length=12)
    result = search(data, config, tmp_path, replace(QUICK, embedder=None, epochs=1), shown=False)
    assert list(result["choice"]) == ["resnet", "orca"]
    assert "deepsea: left out" in caplog.text
    with pytest.raises(InputError, match="needs sequences of 16 bp or more"):
        search(data, config, tmp_path, replace(QUICK, embedder="unet"), shown=False)


def test_what_is_wrong_is_said(tmp_path: Path, narrow: L2GConfig) -> None:
    data = read_table(table(tmp_path))
    with pytest.raises(InputError, match="no embedder 'vgg'"):
        search(data, CONFIG, tmp_path, replace(QUICK, embedder="vgg"), shown=False)
    only_train = replace(data, splits=["train"] * len(data))
    with pytest.raises(InputError, match="no column varies"):
        search(only_train, CONFIG, tmp_path, QUICK, shown=False)
    flat = replace(data, labels=np.where(np.array(data.splits)[:, None] == "val", 1.0, data.labels).astype(np.float32))
    with pytest.raises(InputError, match="no column varies"):
        search(flat, CONFIG, tmp_path, QUICK, shown=False)
    with pytest.raises(InputError, match="--metric mcc is not for regression"):
        search(data, CONFIG, tmp_path, replace(QUICK, metric="mcc"), shown=False)
    with pytest.raises(InputError, match="no embedder has a validation score"):
        search(data, narrow, tmp_path, replace(QUICK, embedder=None, choice_learning_rate=1e30), shown=False)
    with pytest.raises(InputError, match="lower --lr"):
        search(data, CONFIG, tmp_path, replace(QUICK, learning_rate=1e30, clip=1e30), overwrite=True, shown=False)
    with pytest.raises(InputError, match=r"has no search\.json; give a finished folder of 'l2g search'"):
        read_search(tmp_path)
    for content, message in (
        ("{", "is not what 'l2g search' writes"),
        ('{"embedder": "unet"}', "not the result of a search"),
        ('{"embedder": "vgg", "operators": null}', "no embedder 'vgg'"),
        ('{"embedder": "unet", "operators": [[3, 1]]}', "unet has 18 convolutions"),
    ):
        (tmp_path / "search.json").write_text(content)
        with pytest.raises(InputError, match=message):
            read_search(tmp_path)


def test_the_command(tmp_path: Path) -> None:
    data, output = table(tmp_path), tmp_path / "out"
    done = invoke(*command(data, output, "--embedder", "deepsea", "--epochs", 1))  # of RoBERTa it needs but the width
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "embedder\tdeepsea"
    assert len(lines) == 4
    for more, message in (
        (["--embedder", "vgg"], "'vgg' is not one of 'resnet', 'unet', 'deepsea', 'orca'"),
        (["--targets", "hk"], "no column 'hk'"),
        (["--task", "classification"], "has the classes"),
        (["--embedder", "deepsea", "--epochs", 2, "--resume"], "options.epochs (1 then, 2 now)"),
    ):
        refused = invoke(*command(data, output, *more))
        assert refused.exit_code == 2, refused.output
        assert message in refused.output


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", ["choice.json", "search.safetensors"])
def test_kill_9_and_resume_ends_with_the_same_search(tmp_path: Path, narrow: L2GConfig, killed_at: str) -> None:
    data = table(tmp_path, 300)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-c", "from l2g_core.cli import main; main()"]

    def run(output: Path, *more: str) -> list[str]:
        return [
            *program,
            *command(data, output, "--backbone", narrow.backbone, "--epochs", 6, "--fraction", 0.5, *more),
        ]

    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    subprocess.run(run(unbroken), check=True, env=environment, capture_output=True)
    process = subprocess.Popen(run(broken), env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (broken / killed_at).exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed; give it more to do"
    subprocess.run(run(broken, "--resume"), check=True, env=environment, capture_output=True)
    for name in ("search.json", "search.svg"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes()
