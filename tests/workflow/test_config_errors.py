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
    assert not (fresh.folder / "results").exists()


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
