"""The outside face: what the wheel holds, what type checkers and completion see, and the files that others read."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import lowest_versions
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("l2g_core", "l2g_interp", "motif_db")

RIGHT = """
from pathlib import Path

import motif_db
from l2g_core.dna import one_hot, read_fasta
from l2g_core.model import L2G, L2GConfig
from l2g_core.model.checkpoint import load
from l2g_interp import attribute, discover_motifs, match_motifs

fasta = read_fasta(Path("enhancers.fa"))
found = attribute(load("deepstarr"), one_hot(fasta.sequences), ids=fasta.ids, targets=["dev"], n_references=20)
error: float = found["dev"].completeness_error
for match in match_motifs(discover_motifs(found).patterns["dev"], motif_db.load("jaspar-insects"), n_matches=1):
    print(match.pattern.upper(), match.label.upper(), match.q_value + error)
model: L2G = L2G(L2GConfig(targets=("dev", "hk"), sequence_length=249, embedder="resnet"))
"""
# What is wrong, and the rule of pyright under which it has to be reported
WRONG = {
    'attribute(load("x"), one_hot(["ACGT"]), n_refs=3)': "reportCallIssue",
    'attribute(load("x"), one_hot(["ACGT"]))["dev"].contribution': "reportAttributeAccessIssue",
    'discover_motifs(3)': "reportArgumentType",
    'match_motifs([], motif_db.load("jaspar-insects"), n_matches="one")': "reportArgumentType",
    'L2GConfig(targets=("dev",), sequence_length=249, backbone_training="half")': "reportArgumentType",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing of the build stays here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "tests", "tools"):
        copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == here
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert {Path(name).suffix for name in held} >= {".pyi", ".toml", ".html", ".css", ".js", ".tsv"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the wheel installed; what it needs is taken from the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def checked(installed: Path, folder: Path, program: str) -> list[dict]:
    """What pyright, strict and relying on declared types alone, has to say about a user's file."""
    (folder / "user.py").write_text(program)
    settings = {"typeCheckingMode": "strict", "useLibraryCodeForTypes": False, "include": ["user.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(Path(sys.executable).parent / "pyright"), "--outputjson", "--pythonpath", str(installed)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return json.loads(done.stdout)["generalDiagnostics"]


@pytest.mark.slow
def test_type_checkers_see_the_types_of_the_public_functions(installed: Path, tmp_path: Path) -> None:
    assert checked(installed, tmp_path, RIGHT) == []


@pytest.mark.slow
def test_type_checkers_report_wrong_uses(installed: Path, tmp_path: Path) -> None:
    lines = len(RIGHT.splitlines())
    found = {
        said["range"]["start"]["line"]: said["rule"] for said in checked(installed, tmp_path, RIGHT + "\n".join(WRONG))
    }
    assert [found.get(lines + n) for n in range(len(WRONG))] == list(WRONG.values())


@pytest.mark.slow
def test_the_installed_wheel_answers(installed: Path, tmp_path: Path) -> None:
    program = "import l2g_interp, sys; print(l2g_interp.__file__); from l2g_interp.cli import main; main(['--help'])"
    done = subprocess.run([installed, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.parents[1]))
    assert "attribute" in done.stdout


def test_dir_lists_the_public_names_and_the_version_is_that_of_the_metadata() -> None:
    """In a process of its own, where nothing has been imported yet."""
    program = "import json, l2g_interp as m; print(json.dumps([dir(m), m.__all__, m.__version__]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    listed, public, version = json.loads(done.stdout)
    assert {"attribute", "discover_motifs", "match_motifs", "write_report"} <= set(public) <= set(listed)
    assert version == metadata.version("l2g-interp") == PROJECT["version"]


def test_the_citation_is_complete_and_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}  # required by the format
    assert str(citation["version"]) == PROJECT["version"]
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["authors"] == PROJECT["authors"]
    (paper,) = citation["references"]
    assert "5NM4guc90N" in paper["url"]


def test_the_workflow_runs_what_ci_runs_on_every_python_of_the_metadata() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands["tests"] == [".ci/run"]
    assert "python tools/lowest_versions.py" in commands["lowest-versions"]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert jobs["tests"]["strategy"]["matrix"]["python"] == pythons
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_templates_of_issues_are_forms() -> None:
    forms = [p for p in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml"]
    assert len(forms) == 3
    for form in (yaml.safe_load(path.read_text()) for path in forms):
        assert form.keys() >= {"name", "description", "body"}
        ids = [field["id"] for field in form["body"]]
        assert len(set(ids)) == len(ids)


def test_pre_commit_runs_the_commands_of_the_house_tests() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    assert {hook["entry"] for hook in repo["hooks"]} == set(house_commands())


def house_commands() -> list[str]:
    """The commands that test_house.py runs, without where Python lies."""
    tree = ast.parse((ROOT / "tests" / "end_to_end" / "test_house.py").read_text())
    calls = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "run"
    ]
    return [" ".join(word for word in words(call) if word not in ("-m", "--pythonpath")) for call in calls]


def words(call: ast.Call) -> list[str]:
    found = [n for n in ast.walk(call) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [str(n.value) for n in sorted(found, key=lambda n: (n.lineno, n.col_offset))]


@pytest.mark.parametrize("requirement", lowest_versions.requirements()[0], ids=lambda requirement: requirement.name)
def test_every_dependency_states_a_lowest_version_and_is_pinned_for_ci(requirement: Requirement) -> None:
    assert lowest_versions.floor(requirement)
    pinned = lowest_versions.pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned, prereleases=True)


def test_the_tests_install_every_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) - {"test", "docs", *lowest_versions.LARGE} <= {
        extra for line in extras["test"] for extra in Requirement(line).extras
    }


ATTRIBUTE = "attribute(torch.nn.Flatten(), torch.eye(4)[None], method={!r}, n_references=1)"
# What is hidden, a program that needs it, and what it has to say
WITHOUT = [
    (
        "ot",
        "import torch; from l2g_core.align.discrepancy import transport; transport(torch.eye(3), torch.eye(3))",
        "OTDD needs POT, which is not installed; pip install 'l2g-interp[otdd]'",
    ),
    (
        "ot",  # said when the options are made, so that 'l2g train' stops before stage 1
        "from l2g_core.align.options import AlignOptions; AlignOptions(discrepancy='otdd-exact')",
        "--discrepancy otdd-exact needs POT, which is not installed; pip install 'l2g-interp[otdd]'",
    ),
    (
        "peft",
        "import torch; from l2g_core.model.backbones import add_adapters\n"
        "add_adapters(torch.nn.Flatten(), 1, 1.0, 0.0)",
        "a model with low-rank adapters (lora) needs peft, which is not installed; pip install 'l2g-interp[lora]'",
    ),
    (
        "captum",
        f"import torch; from l2g_interp import attribute; {ATTRIBUTE.format('integrated_gradients')}",
        "the method integrated_gradients needs captum, which is not installed; pip install 'l2g-interp[peers]'",
    ),
    (
        "captum",
        f"import torch; from l2g_interp import attribute; {ATTRIBUTE.format('captum_deep_lift_shap')}",
        "the method captum_deep_lift_shap needs captum, which is not installed; pip install 'l2g-interp[peers]'",
    ),
    (
        "torch.utils.tensorboard",
        "from l2g_core.training.tensorboard import write_events; write_events('x', wanted=True).__enter__()",
        "--tensorboard needs TensorBoard, which is not installed; pip install 'l2g-interp[tensorboard]'",
    ),
]


@pytest.mark.parametrize(("package", "program", "message"), WITHOUT)
def test_without_an_extra_it_says_how_to_install_it(package: str, program: str, message: str, tmp_path: Path) -> None:
    """In a process of its own, where the package cannot be imported."""
    hidden = f"import sys; sys.modules[{package!r}] = None\n{program}"
    done = subprocess.run([sys.executable, "-c", hidden], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == f"l2g_core.errors.InputError: {message}"
    assert not list(tmp_path.iterdir())
