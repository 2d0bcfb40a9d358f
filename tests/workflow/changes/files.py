"""What is done to the files a study reads, and which rules that reruns."""

import ast
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflow.changes.table import jobs
from tests.workflow.changes.world import mask, picture, write_archive
from tests.workflow.conftest import Project

Act = Callable[[Project], None]


@dataclass(frozen=True)
class FileChange:
    """What is done to a file of a study, and the jobs that rerun."""

    name: str
    study: str
    act: Act
    reruns: Counter[str]
    edits: dict[str, Any] = field(default_factory=dict)
    unrun: str = ""
    differs: dict[str, str] = field(default_factory=dict)


def _file(path: str) -> Callable[[Project], Path]:
    return lambda project: project.folder / "user" / path


def repaint(path: str) -> Act:
    """Another picture under the same name."""
    return lambda project: picture(999).save(_file(path)(project))


def repaint_mask(path: str) -> Act:
    """Another mask under the same name."""
    return lambda project: mask(999).save(_file(path)(project))


def touch(path: str) -> Act:
    """The same bytes, a later time."""

    def act(project: Project) -> None:
        there = _file(path)(project)
        files = [file for file in there.rglob("*") if file.is_file()] if there.is_dir() else [there]
        for file in files:
            os.utime(file, (4e9, 4e9))

    return act


def rename(path: str, to: str) -> Act:
    """The same bytes under another name."""
    return lambda project: _file(path)(project).rename(_file(to)(project))


def copy(path: str, to: str) -> Act:
    """What lies there lies elsewhere, too, in the place of what lay there."""

    def act(project: Project) -> None:
        source, target = _file(path)(project), _file(to)(project)
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)

    return act


def remove(path: str) -> Act:
    """One file less."""
    return lambda project: _file(path)(project).unlink()


def quietly(path: str) -> Act:
    """Other bytes of the same length with the old time, as some programs copy."""

    def act(project: Project) -> None:
        file = _file(path)(project)
        before = file.stat()
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return act


def write_json(path: str, value: object) -> Act:
    """Other JSON under the same name."""

    def act(project: Project) -> None:
        _file(path)(project).write_text(json.dumps(value))

    return act


def write_csv(path: str, *rows: str) -> Act:
    """Another list under the same name."""

    def act(project: Project) -> None:
        _file(path)(project).write_text("\n".join(rows) + "\n")

    return act


def both(*acts: Act) -> Act:
    """One after another."""

    def act(project: Project) -> None:
        for one in acts:
            one(project)

    return act


def link(target: str, path: str) -> Act:
    """A link to a folder of the user's, which perhaps led elsewhere before."""

    def act(project: Project) -> None:
        place = _file(path)(project)
        place.unlink(missing_ok=True)
        place.symlink_to(_file(target)(project))

    return act


def another_version(library: str) -> Act:
    """As after an upgrade: the library says another version than when the study was made."""

    def act(project: Project) -> None:
        folder = project.folder / f"{library}-999.0.dist-info"  # the project comes first on the path
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 999.0\n")

    return act


def another_function(module: str) -> Act:
    """The first function of a module does something more."""

    def act(project: Project) -> None:
        path = project.folder / module
        lines = path.read_text(encoding="utf-8").splitlines()
        function = next(node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.FunctionDef))
        first = function.body[1] if isinstance(function.body[0], ast.Expr) else function.body[0]
        lines.insert(first.lineno - 1, " " * first.col_offset + "_ = 'changed'")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return act


def another_archive(path: str) -> Act:
    """An archive of other pictures under the same name."""
    return lambda project: write_archive(_file(path)(project), 90)


_MAPS = "gather_cam, overlays, "
_JUDGED = "judge, judge_controls, judging_report, pages"
_DAY = f"dataset, contact_sheet, masks, image_set, {_MAPS}{_JUDGED}"
_MASKS = f"masks, {_JUDGED}"
_SHOWN = "image_set, gather_activations, channel_sheets, pages"
_LISTED = "dataset, contact_sheet, pages"
_COMPUTED = "import_model, layers, activations, gather_activations, channel_sheets, pages"
_IMPORTED = "import_model, layers, pages"
_ROWS: list[tuple[str, str, Act, str]] = [
    ("a picture of a dataset: changed", "data", repaint("photos/day/a/0.png"), _DAY),
    ("a picture of a dataset that no image set shows: changed", "data", repaint("photos/night/a/4.png"), _DAY),
    ("a picture of a dataset: touched", "data", touch("photos"), ""),
    ("a picture of a dataset: renamed", "data", rename("photos/day/a/0.png", "photos/day/a/7.png"), _DAY),
    ("a picture of a dataset: added", "data", copy("photos/day/a/0.png", "photos/day/a/8.png"), _DAY),
    ("a picture of a dataset: removed", "data", remove("photos/day/a/2.png"), _DAY),
    ("a mask among the pictures: changed", "data", repaint_mask("photos/masks/day/a/0.png"), _MASKS),
    ("a mask among the pictures: touched", "data", touch("photos/masks"), ""),
    (
        "a mask among the pictures: renamed",
        "data",
        rename("photos/masks/day/a/0.png", "photos/masks/day/a/9.png"),
        _MASKS,
    ),
    ("a mask among the pictures: removed", "data", remove("photos/masks/day/a/0.png"), _MASKS),
    ("a mask elsewhere: changed", "data", repaint_mask("herd_masks/a/0.png"), _MASKS),
    ("a mask elsewhere: touched", "data", touch("herd_masks"), ""),
    ("a mask elsewhere: removed", "data", remove("herd_masks/a/0.png"), _MASKS),
    ("parts.json: changed", "data", write_json("photos/parts.json", ["none", "inside", "rim"]), _MASKS),
    ("parts.json: added", "data", write_json("herd/parts.json", ["none", "inside", "rim"]), _MASKS),
    ("a picture of files: changed", "data", repaint("loose/0.png"), _SHOWN),
    ("a picture of files: touched", "data", touch("loose/0.png"), ""),
    ("a picture beside those of files: changed", "data", repaint("loose/2.png"), ""),
    ("a picture of a folder: changed", "data", repaint("album/0.png"), _SHOWN),
    ("a picture of a folder: changed, with its old size and time", "data", quietly("album/0.png"), _SHOWN),
    ("a picture of a folder: touched", "data", touch("album"), ""),
    ("a picture of a folder: renamed", "data", rename("album/0.png", "album/7.png"), _SHOWN),
    ("a picture of a folder: added", "data", copy("album/0.png", "album/8.png"), _SHOWN),
    ("a picture of a folder: removed", "data", remove("album/2.png"), _SHOWN),
    ("a photo with an address on this computer: changed", "data", repaint("served/photo0.png"), f"download, {_SHOWN}"),
    ("a photo with an address on this computer: touched", "data", touch("served/photo0.png"), ""),
    (
        "an archive on this computer: replaced",
        "data",
        another_archive("served/pack.zip"),
        f"download, extract, dataset, contact_sheet, {_SHOWN}",
    ),
    ("an archive on this computer: touched", "data", touch("served/pack.zip"), ""),
    ("a folder linked into a dataset", "data", link("flock/a", "photos/day/a/elsewhere"), _DAY),
    ("class_indices.json: added", "data", write_json("photos/class_indices.json", {"b": 0, "a": 1}), _DAY),
    (
        "metadata.csv: added",
        "data",
        both(
            write_csv("photos/day/metadata.csv", "file_name,label", "a/0.png,a", "a/2.png,b", "b/1.png,b", "b/3.png,a"),
            write_csv("photos/night/metadata.csv", "file_name,label", "a/4.png,a", "b/5.png,b"),
        ),
        _DAY,
    ),
    ("a list: changed", "data", write_csv("list.csv", "path,class", "herd/a/0.png,x", "herd/b/1.png,z"), _LISTED),
    ("a list: touched", "data", touch("list.csv"), ""),
    ("class_indices.json beside a list: added", "data", write_json("class_indices.json", {"y": 0, "x": 1}), _LISTED),
    ("a model's file: replaced", "imported", copy("other.keras", "net.keras"), _IMPORTED),
    ("a model's file: touched", "imported", touch("net.keras"), ""),
    ("an application's weights: replaced", "imported", copy("app2.weights.h5", "app.weights.h5"), _IMPORTED),
    ("an application's weights: touched", "imported", touch("app.weights.h5"), ""),
    ("a preset's folder: replaced", "imported", copy("presets/slimmer", "presets/slim"), _IMPORTED),
    ("a preset's folder: touched", "imported", touch("presets"), ""),
    ("a preset beside the study's: changed", "imported", copy("presets/slim", "presets/slimmer"), ""),
    ("Keras: another version", "layers", another_version("keras"), _COMPUTED),
    ("TensorFlow: another version", "layers", another_version("tensorflow"), _COMPUTED),
    (
        "Pillow: another version",
        "layers",
        another_version("pillow"),
        "image_set, filter_grid x3, gather_activations, channel_sheets, pages",
    ),
    ("matplotlib: another version", "layers", another_version("matplotlib"), "channel_sheets, filter_grid x3, pages"),
    ("SciPy: another version", "layers", another_version("scipy"), ""),
    ("jinja2: another version", "layers", another_version("jinja2"), "pages"),
    ("Snakemake: another version", "layers", another_version("snakemake"), ""),
    (
        "the code of the ascent: another function",
        "layers",
        another_function("convscope/filters/steps.py"),
        "ascend x3, filter_grid x3, pages",
    ),
]
FILES = [FileChange(name, study, act, jobs(reruns)) for name, study, act, reruns in _ROWS]
