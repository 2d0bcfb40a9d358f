"""What runs again after a change: exactly what depends on it, and after a touch, a checkout or a comment nothing."""

import ast
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

CODE = ("convscope", "scripts", "rules", "schemas", "report", "envs", "config", "profiles")


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def newest(project: Project) -> float:
    return max(path.stat().st_mtime for path in (project.folder / "results").rglob("*"))


def test_the_finished_study_is_finished(finished: Project) -> None:
    assert finished.would_run() == Counter()


def test_a_touch_of_any_source_file_reruns_nothing(copy: Project) -> None:
    later = newest(copy) + 100
    touched = [path for name in CODE for path in (copy.folder / name).rglob("*") if path.is_file()]
    for path in [*touched, copy.folder / "Snakefile", copy.folder / "config.yaml"]:
        set_time(path, later)
    assert len(touched) > 100
    assert copy.would_run() == Counter()


def test_a_fresh_checkout_beside_old_results_reruns_nothing(finished: Project, fresh: Project, tmp_path: Path) -> None:
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.folder / name, fresh.folder / name)
    later = newest(fresh) + 100
    for path in fresh.folder.rglob("*.*"):
        if "results" not in path.parts and ".snakemake" not in path.parts and path.is_file():
            set_time(path, later)
    assert fresh.would_run() == Counter()


@pytest.mark.parametrize(
    "touched",
    [
        "datasets/pets/images.csv",
        "datasets/pets/drawn",
        "models/net/model.keras",
        "image_sets/few.csv",
        "activations/net/few/shards/0000.h5",
        "cams/net/few/gradcam.h5",
    ],
)
def test_a_touch_of_a_result_reruns_nothing(copy: Project, touched: str) -> None:
    set_time(copy.study / touched, newest(copy) + 100)
    assert copy.would_run() == Counter()


@pytest.mark.parametrize(
    ("deleted", "rule"),
    [
        ("filters/net/*/filters_for_layer_stem_conv.png", "filter_grid"),
        ("cams/net/few/gradcam_sheet.png", "overlays"),
        ("evaluation/net/pets.test/most_confident_errors.png", "classifier_report"),
        ("models/net/layers.csv", "layers"),
    ],
)
def test_a_deleted_figure_is_made_again(copy: Project, deleted: str, rule: str) -> None:
    next(copy.study.glob(deleted)).unlink()
    assert copy.would_run()[rule] == 1


@pytest.mark.parametrize(
    ("deleted", "rule"),
    [
        ("cams/net/few/gradcam", "overlays"),
        ("activations/net/few/sheets", "channel_sheets"),
        ("watching/net/few/pictures", "watch_figures"),
    ],
)
def test_a_deleted_folder_is_made_again_and_nothing_else(copy: Project, deleted: str, rule: str) -> None:
    shutil.rmtree(copy.study / deleted)
    assert copy.would_run() == {rule: 1, "gallery": 1, "index": 1}


def test_deleted_pictures_are_made_again_and_what_is_made_of_them(copy: Project) -> None:
    shutil.rmtree(copy.study / "datasets/pets/drawn")
    again = copy.would_run()
    assert again["draw_pets"] == again["dataset"] == again["train_model"] == 1


def test_a_touch_of_all_results_in_any_order_reruns_nothing(copy: Project) -> None:
    start = newest(copy)
    for number, path in enumerate(sorted((copy.folder / "results").rglob("*"), reverse=True)):
        set_time(path, start + number)
    assert (copy.study / "models/net/model.keras").stat().st_size > 1_000_000  # more than Snakemake compares by itself
    assert copy.would_run() == Counter()


def test_comments_docstrings_and_layout_in_every_module_rerun_nothing(copy: Project) -> None:
    modules = [path for name in ("convscope", "scripts") for path in (copy.folder / name).rglob("*.py")]
    for path in modules:
        text = path.read_text(encoding="utf-8").rstrip()
        assert text.startswith('"""')
        path.write_text('"""Another docstring.\n\n' + text[3:] + "\n\n\n# a comment\n", encoding="utf-8")
    assert copy.would_run() == Counter()


JUDGED_AGAIN = {"judge": 1, "judging_report": 1}
AFTER_CAMS = {
    "gather_cam": 2,
    "overlays": 2,
    "strategies": 1,
    "gallery": 1,
    "index": 1,
    **JUDGED_AGAIN,
    "judge_controls": 1,
}


def change_a_function(project: Project, file: str) -> None:
    """Make the first function of a module another one."""
    path = project.folder / file
    lines = path.read_text(encoding="utf-8").splitlines()
    function = next(node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.FunctionDef))
    first = function.body[1] if isinstance(function.body[0], ast.Expr) else function.body[0]
    lines.insert(first.lineno - 1, " " * first.col_offset + "_ = 'changed'")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


MEASURED = {"pattern_paths": 2, "pattern_table": 1}
WATCHED_FILTERS = {"watch_filters": 1, "watch_filter_figures": 1}
CHANGES = {
    # A judged method is run on other networks, too.
    "convscope/cams/mapper.py": {"cam": 3, **AFTER_CAMS, "judge": 2, "watch": 1, "watch_figures": 1},
    "convscope/cams/figures.py": {
        "overlays": 2,
        "watch_figures": 1,
        "watch_filter_figures": 1,
        "gallery": 1,
        "index": 1,
    },
    "convscope/attributions/side_by_side.py": {"side_by_side": 1, "gallery": 1, "index": 1},
    "convscope/filters/steps.py": {
        "ascend": 2,
        "filter_grid": 2,
        **MEASURED,
        **WATCHED_FILTERS,
        "gallery": 1,
        "index": 1,
    },
    "convscope/filters/trunk_steps.py": {
        "ascend": 2,
        "filter_grid": 2,
        **MEASURED,
        **WATCHED_FILTERS,
        "gallery": 1,
        "index": 1,
    },
    "convscope/models/figures.py": {"training_curves": 1, "gallery": 1, "index": 1},
    "convscope/data/part_masks.py": {
        "masks": 1,
        "concept_masks": 1,
        "unit_answers": 1,
        "unit_crops": 1,
        "unit_table": 1,
        **MEASURED,
        "strategies": 2,
        "judge": 2,
        "judge_controls": 1,
        "judging_report": 1,
        "gallery": 1,
        "index": 1,
    },
    "scripts/contact_sheet.py": {"contact_sheet": 1, "gallery": 1, "index": 1},
    "convscope/filters/figures.py": {"filter_grid": 2, "gallery": 1, "index": 1},
    "convscope/activations/sheets.py": {"channel_sheets": 1, "gallery": 1, "index": 1},
    "convscope/judging/gate.py": {"judging_report": 1, "gallery": 1, "index": 1},
    "convscope/gallery/build.py": {"gallery": 1, "index": 1},
    "scripts/filter_grid.py": {"filter_grid": 2, "gallery": 1, "index": 1},
    "scripts/index.py": {"index": 1},
    "convscope/jobs/job.py": {},
    "convscope/errors.py": {},
    "convscope/config.py": {},
    "convscope/check/study.py": {},
    "convscope/storage/locks.py": {},
    "convscope/jobs/study_lock.py": {},
    "convscope/storage/runs.py": {},
    "convscope/storage/processes.py": {},
    "convscope/jobs/timers.py": {},
    "convscope/data/downloads.py": {},
}


@pytest.mark.parametrize("file", CHANGES)
def test_a_change_of_a_function_reruns_what_uses_it(copy: Project, file: str) -> None:
    change_a_function(copy, file)
    assert copy.would_run() == Counter(CHANGES[file])


def test_a_change_of_the_training_reruns_it_and_what_follows(copy: Project) -> None:
    change_a_function(copy, "convscope/models/training.py")
    would_run = copy.would_run()
    assert would_run["train_model"] == 1
    assert {"draw_pets", "dataset"} & set(would_run) == set()
    # What follows the checkpoints is known when they have run; up to there:
    assert {"layers", "evaluate", "gallery", "index"} <= set(would_run)


def test_a_change_of_the_drawing_reruns_everything(copy: Project) -> None:
    change_a_function(copy, "convscope/data/drawn/pets/pets.py")
    assert {"draw_pets", "dataset", "image_set", "train_model", "evaluate"} <= set(copy.would_run())


def test_a_change_of_the_style_of_the_pages_reruns_the_gallery(copy: Project) -> None:
    style = next((copy.folder / "convscope" / "gallery").rglob("*.css"))
    style.write_text(style.read_text() + "\nbody { color: red }\n")
    assert copy.would_run() == Counter({"gallery": 1, "index": 1})


SETTINGS = {
    ("size: 48, steps: 4", "size: 48, steps: 5"): {"ascend": 2, "filter_grid": 2, **MEASURED, "gallery": 1, "index": 1},
    ("size: 48, steps: 4", "size: 48, steps: 4, threads: 2"): {"gallery": 1, "index": 1},
    ("layers: [stem_conv, block2_residual_conv]", "layers: [stem_conv, block2_residual_conv, block3_sepconv1]"): {
        "ascend": 1, "filter_grid": 1, "gallery": 1, "index": 1,
    },
    ("layers: [stem_conv, block2_residual_conv]", "layers: [stem_conv]"): {"pattern_table": 1, "gallery": 1, "index": 1},
    ("wrong], class: all", "wrong], class: predicted"): {"cam": 3, **AFTER_CAMS},
    ("wrong], class: all", "wrong], class: all, colormap: viridis"): {"overlays": 2, "gallery": 1, "index": 1},
    ("wrong], class: all", "wrong], class: all, scale: set"): {"overlays": 2, "gallery": 1, "index": 1},
    ("steps: 6", "steps: 7"): {
        "attribution": 2, "gather_attribution": 1, "attribution_figures": 1, "side_by_side": 1, "gallery": 1, "index": 1,
        "strategies": 1, **JUDGED_AGAIN,
    },
    ("guided_gradcam], class: all", "guided_gradcam, saliency], class: all"): {
        "attribution": 2, "gather_attribution": 1, "attribution_figures": 1, "side_by_side": 1, "gallery": 1, "index": 1,
    },
    ("guided_gradcam], class: all", "guided_gradcam], class: all, percentile: 90"): {
        "attribution_figures": 2, "side_by_side": 1, "gallery": 1, "index": 1,
    },
    ("sheets: 1", "sheets: 2"): {"channel_sheets": 1, "gallery": 1, "index": 1},
    ("sheets: 1", "sheets: 1, dtype: float32"): {
        "activations": 2, "gather_activations": 1, "channel_sheets": 1, "gallery": 1, "index": 1,
    },
    ("randomisation: {images: 2, steps: 2,", "randomisation: {images: 2, steps: 3,"): {
        "judge": 2, "judge_controls": 1, "judging_report": 1, "gallery": 1, "index": 1,
    },
    ("title: Tiny", "title: Small"): {"gallery": 1, "index": 1},
    ("optimizer: adam}", "optimizer: adam, threads: 1}"): {"gallery": 1, "index": 1},
}  # fmt: skip


@pytest.mark.parametrize("change", SETTINGS, ids=lambda change: change[1])
def test_a_change_of_a_setting_reruns_what_it_sets(copy: Project, change: tuple[str, str]) -> None:
    copy.edit("config/tiny.yaml", *change)
    assert copy.would_run() == Counter(SETTINGS[change])


def test_another_preset_leaves_the_patterns_of_the_first_alone(copy: Project) -> None:
    copy.edit("config/tiny.yaml", "filters: 3, size: 48", "preset: [textbook, fast], filters: 3, size: 48")
    assert copy.would_run() == Counter({"ascend": 2, "filter_grid": 2, **MEASURED, "gallery": 1, "index": 1})
    planned = re.findall(r"^ *rule (?:ascend|filter_grid):\n.*\n +output: (.+)$", copy.run("-n"), re.MULTILINE)
    assert len(planned) == 4
    assert all(f"{copy.study.relative_to(copy.folder)}/filters/net/fast/" in outputs for outputs in planned), planned


def test_a_change_of_the_seed_reruns_what_is_random(copy: Project) -> None:
    copy.edit("config/tiny.yaml", "seed: 3", "seed: 4")
    assert {"draw_pets", "dataset", "image_set", "train_model", "evaluate"} <= set(copy.would_run())


def test_more_drawings_rerun_everything(copy: Project) -> None:
    copy.edit("config/tiny.yaml", "train: 16", "train: 17")
    assert {"draw_pets", "dataset", "image_set", "train_model", "evaluate"} <= set(copy.would_run())


def test_another_model_leaves_the_first_alone(copy: Project) -> None:
    copy.edit(
        "config/tiny.yaml",
        "models:\n",
        "models:\n  second: {source: train, architecture: convnet, dataset: pets, image_size: 78, epochs: 1}\n",
    )
    assert copy.would_run() == Counter({"train_model": 1, "training_curves": 1, "layers": 1, "gallery": 1, "index": 1})


PHOTOS = """
study: photos
datasets:
  mine: {source: path, path: photos, images_per_class: {train: 3, test: 2}}
models: {}
image_sets:
  set: {dataset: mine, split: test}
  loose: {files: [photos/cat/0.png, photos/dog/1.png]}
"""
TARGETS = ["results/photos/image_sets/set.csv", "results/photos/image_sets/loose.csv"]


@pytest.fixture(scope="module")
def listed(sources: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study of a folder of pictures, listed; the cheap part of the chain."""
    folder = tmp_path_factory.mktemp("photos") / "project"
    shutil.copytree(sources.folder, folder)
    (folder / "photos.yaml").write_text(PHOTOS)
    noise = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(5):
            pixels = noise.integers(0, 256, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    project = Project(folder)
    project.run(*TARGETS, config="photos.yaml")
    return project


@pytest.fixture
def photos(listed: Project, tmp_path: Path) -> Project:
    shutil.copytree(listed.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def repaint(path: Path) -> None:
    image = Image.open(path).convert("RGB")
    image.putpixel((0, 0), (1, 2, 3))
    image.save(path)


def would_list(project: Project) -> Counter[str]:
    return project.would_run(*TARGETS, config="photos.yaml")


def test_a_touch_of_the_users_pictures_reruns_nothing(photos: Project) -> None:
    for path in (photos.folder / "photos").rglob("*"):
        set_time(path, newest(photos) + 100)
    assert would_list(photos) == Counter()


def test_a_changed_picture_of_a_dataset_reruns_its_chain(photos: Project) -> None:
    repaint(photos.folder / "photos" / "cat" / "4.png")
    assert would_list(photos) == Counter({"dataset": 1, "image_set": 1})


def test_a_changed_picture_of_both_reruns_both(photos: Project) -> None:
    repaint(photos.folder / "photos" / "cat" / "0.png")
    assert would_list(photos) == Counter({"dataset": 1, "image_set": 2})


@pytest.mark.parametrize("what", ["added", "removed", "renamed"])
def test_a_picture_added_removed_or_renamed_reruns_the_dataset(photos: Project, what: str) -> None:
    folder = photos.folder / "photos" / "dog"
    if what == "added":
        shutil.copyfile(folder / "0.png", folder / "9.png")
    elif what == "removed":
        (folder / "4.png").unlink()
    else:
        (folder / "4.png").rename(folder / "7.png")
    assert would_list(photos) == Counter({"dataset": 1, "image_set": 1})


def test_the_changed_folder_is_listed_again_and_then_done(photos: Project) -> None:
    shutil.copyfile(photos.folder / "photos" / "dog" / "0.png", photos.folder / "photos" / "dog" / "00.png")
    photos.run(*TARGETS, config="photos.yaml")
    assert "00.png" in (photos.folder / "results/photos/datasets/mine/images.csv").read_text()
    assert would_list(photos) == Counter()
