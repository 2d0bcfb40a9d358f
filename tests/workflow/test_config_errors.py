"""A mistake in the config ends in one line, before any work; a study stands alone."""

import re
from pathlib import Path

import pytest

from tests.workflow.conftest import TINY, Project

MISTAKES = {
    "key": (("seed: 3", "sede: 3"), ["unknown key 'sede'", "did you mean 'seed'?"]),
    "dataset": (("dataset: pets, image_size", "dataset: pet, image_size"), ["models.net.dataset", "'pet'", "'pets'"]),
    "layer": (("layers: [stem_conv, block2]", "layers: [stem]"), ["activations.net.layers", "'stem'", "stem_conv"]),
    "method": (("guided_gradcam], class", "guided_grad_cam], class"), ["attributions.net.methods", "'guided_gradcam'?"]),
    "line": (("epochs: 2,", "epochs: two,"), ["config/tiny.yaml, line 11: models.net.epochs", "'two'"]),
    "tab": (("  pets:\n    source", "\tpets:\n    source"), ["config/tiny.yaml, line 6: a tab"]),
    "twice": (("activations:\n", "models: {}\nactivations:\n"), ["line 17: the key 'models' is already in line 10", "lost"]),
    "exponent": (("optimizer: adam", "learning_rate: 1e-3"), ["line 11: 1e-3 is text to YAML", "write 0.001"]),
    "study": (("study: tiny", "study: downloads"), ["line 2: study: results/downloads holds what other studies use"]),
    "code": (
        ("study: tiny", "__use_yte__: true\n__definitions__: [\"open('ran', 'w')\"]\nstudy: tiny"),
        ["line 2: __use_yte__ makes Snakemake run code"],
    ),
    "folder": (
        ("source: drawn_pets\n    image_size: 64\n    images_per_class:", "source: path\n    path: datta\n    images_per_class:"),
        ["datasets.pets.path", "'datta'", "does not exist"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_and_no_work(fresh: Project, mistake: str) -> None:
    change, words = MISTAKES[mistake]
    fresh.edit(TINY, *change)
    done = fresh.snakemake()
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("config: ")
    assert all(word in lines[0] for word in words), lines[0]
    assert not (fresh.folder / "results").exists() and not (fresh.folder / "ran").exists()


def test_what_is_given_by_hand_counts_and_is_told_apart(fresh: Project) -> None:
    done = fresh.snakemake("-n", "--config", "seed=three")
    assert done.returncode == 1 and "config: --config: seed: 'three'" in done.stderr
    assert "results/other/gallery/index.html" in fresh.run("-n", "--config", "study=other")


def test_the_default_config_is_looked_at_too(fresh: Project) -> None:
    fresh.edit("config.yaml", "seed: 2026 ", "seed: 2026: ")
    done = fresh.snakemake("-n", config=None)
    assert done.returncode == 1 and "config: config.yaml, line 7: no colon can stand here" in done.stderr


def test_a_study_stands_alone(sources: Project) -> None:
    """Nothing of config.yaml, which is the default, leaks into a study named with --configfile."""
    printed = sources.run("-n", "--forceall")
    outputs = re.findall(r"results/[^\s,:']+", printed)
    assert outputs
    assert {name.split("/")[1] for name in outputs} == {"tiny"}
    counts = sources.would_run("--forceall")
    assert (counts["draw_pets"], counts["dataset"], counts["train_model"], counts["evaluate"]) == (1, 1, 1, 1)
    assert {"mini_xception", "shifted", "convnet"} & set(re.split(r"[\s/.,]", " ".join(outputs))) == set()


def test_the_default_study(sources: Project) -> None:
    counts = sources.would_run(config=None)
    assert (counts["draw_pets"], counts["train_model"], counts["evaluate"]) == (1, 3, 6)


@pytest.mark.parametrize("name", sorted(path.name for path in (Path(__file__).parents[2] / "config").glob("*.yaml")))
def test_every_study_plans(sources: Project, name: str) -> None:
    done = sources.snakemake("-n", config=f"config/{name}")
    output = done.stdout + done.stderr
    # A study may name a folder that this machine does not have; then it says so, and nothing else is wrong with it.
    assert done.returncode == 0 or "does not exist; check the path" in output, output
