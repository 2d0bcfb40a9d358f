"""Every figure of the index by its command, in a study that asks for all of them, as short as can be."""

import subprocess

import pytest
from PIL import Image

from convscope.figure_index.names import FIGURES
from convscope.storage.tables import read_rows
from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.long]
STUDY = """
study: index
seed: 3
datasets:
  pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 4, validation: 2, test: 4}}
models:
  net: {source: train, architecture: convnet, dataset: pets, image_size: 80, width: 0.125, epochs: 2, batch_size: 8}
evaluations:
  net: [pets/test]
image_sets:
  two: {dataset: pets, split: test, per_class: 1}
  all: {dataset: pets, split: train}
  wrong: {evaluation: net, dataset: pets, split: test, group: errors, limit: 1}
activations:
  net: {images: [two, wrong], layers: [conv2], sheets: 1}
filters:
  net: {layers: [conv1, conv2], filters: 2, size: 40, steps: 2, crop: 2}
units:
  net: {images: [two], layers: [conv1]}
concepts:
  net: {images: [all], random_sets: 5, examples: 10, found: 2, base_points: 8, patterns: fast, concepts: [part]}
cams:
  net:
    images: [two]
    layer: conv4
    methods: [gradcam, gradcam_plus_plus, layer_cam, eigen_cam, cam, score_cam]
    score_channels: 2
    gap_head: {dataset: pets}
attributions:
  net:
    images: [two]
    layer: conv4
    methods: METHODS
    smoothgrad: {samples: 2}
    integrated_gradients: {steps: 2}
    occlusion: {patch: 32, stride: 32}
    rise: {masks: 6, grid: 4}
    lime: {samples: 12}
    kernel_shap: {samples: 40, segments: 6}
    partition_shap: {evaluations: 20}
    gradient_shap: {samples: 4}
    deep_shap: {background: 2}
    pertinent_negative: {iterations: 4, searches: 2, gamma: 1, autoencoder: pets}
    pertinent_positive: {iterations: 4, searches: 2, gamma: 1, autoencoder: pets}
watching:
  net: {images: [two], layer: conv4, filters: {filters: 1, size: 24, steps: 2}}
strategies:
  net: {images: [two], methods: [gradcam]}
judging:
  net: {images: [two], methods: [gradcam, occlusion], metrics: [curves, sparseness], steps: 4}
"""
# Made of a stage that this study has not; that stage's own test makes them.
ELSEWHERE = {"segmentation_masks", "seg_gradcam", "ablation", "transfer_heads"}


def figures(project: Project, *names: str) -> subprocess.CompletedProcess[str]:
    """The command of the index, for several figures at once."""
    return project.snakemake(*(f"figures/{name}" for name in names), config="index.yaml")


def test_every_figure_is_made_by_its_command(fresh: Project) -> None:
    from convscope.attributions.names import METHODS

    (fresh.folder / "index.yaml").write_text(STUDY.replace("METHODS", f"[{', '.join(METHODS)}]"))
    wanted = [name for name in FIGURES if name not in ELSEWHERE]
    done = figures(fresh, *wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in wanted:
        folder = fresh.folder / "figures" / name
        listed = {row["picture"] for row in read_rows(folder / "sources.csv")}
        assert listed and listed == {file.name for file in folder.iterdir()} - {
            "sources.csv",
            ".snakemake_timestamp",
        }
        for picture in listed:
            with Image.open(folder / picture) as image:
                assert min(image.convert("RGB").size) > 20, picture
    assert {"net-two-view_relevant.png", "net-two-view_outlined.png", "net-two-view_coefficients.png"} <= {
        file.name for file in (fresh.folder / "figures/lime").iterdir()
    }
    again = figures(fresh, *wanted)
    assert "Nothing to be done" in again.stdout + again.stderr

    unknown = figures(fresh, "grad_cam")
    assert unknown.returncode and "figure: figures/grad_cam: no such figure; did you mean 'gradcam'?" in unknown.stderr
    config = (fresh.folder / "index.yaml").read_text()
    (fresh.folder / "index.yaml").write_text(config.partition("judging:")[0])
    missing = figures(fresh, "judging")
    assert (
        missing.returncode and "figures/judging: the study asks for none; its config wants: judging:" in missing.stderr
    )
    assert "Traceback" not in unknown.stderr + missing.stderr
