"""A study's datasets and image sets, as they are shown."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from convscope.data.groups import label_names
from convscope.gallery.heatmaps import BadFile
from convscope.gallery.present import Present
from convscope.gallery.records import Dataset, ImageSet
from convscope.gallery.tables import read_object, read_table


def _bad_files(path: Path) -> tuple[BadFile, ...]:
    rows = read_table(path, ("path", "reason"))
    return tuple(BadFile(row["path"], row["reason"], row.get("split", ""), row.get("class", "")) for row in rows)


def existing_files(*paths: Path) -> tuple[Path, ...]:
    """Those of some files that are there."""
    return tuple(path for path in paths if path.is_file())


def dataset(present: Present, name: str) -> list[Dataset]:
    """The dataset, or nothing where it cannot be shown."""
    folder = present.results / "datasets" / name
    sheet = folder / "contact_sheet.png"
    found = present.read(
        "Dataset", "", name, lambda: _read_dataset(folder), [folder / "images.csv", folder / "classes.json"]
    )
    sheets = present.read("Contact sheet", "", name, lambda: sheet, [sheet]) if found else []
    return [dataclasses.replace(each, contact_sheet=sheets[0] if sheets else None) for each in found]


def _read_dataset(folder: Path) -> Dataset:
    classes = [str(name) for name in read_object(folder / "classes.json").get("classes", [])]
    rows = read_table(folder / "images.csv", ("split", "class"))
    usual = ("train", "validation", "test")
    splits = sorted({row["split"] for row in rows}, key=lambda s: (usual.index(s) if s in usual else len(usual), s))
    counts: dict[str, dict[str, int]] = {name: dict.fromkeys(splits, 0) for name in classes}
    for row in rows:
        for name in _shown(row):
            counts.setdefault(name, dict.fromkeys(splits, 0))[row["split"]] += 1
    return Dataset(
        name=folder.name,
        splits=tuple(splits),
        total=len(rows),
        counts=counts,
        bad=_bad_files(folder / "bad.csv"),
        contact_sheet=None,
        files=existing_files(folder / "images.csv", folder / "bad.csv"),
    )


def _shown(row: Mapping[str, str]) -> tuple[str, ...]:
    """What a picture counts as: its class, each of its labels, or that it has a number."""
    if row.get("labels"):
        return label_names(row["labels"]) or ("no label",)
    return (row["class"] or ("a number" if row.get("target") else "unknown"),)


def image_set(present: Present, name: str) -> list[ImageSet]:
    """The image set, or nothing where it cannot be shown."""
    table = present.results / "image_sets" / f"{name}.csv"

    def read() -> ImageSet:
        bad = table.with_name(f"{name}.bad.csv")
        return ImageSet(name, tuple(read_table(table, ("id", "path"))), _bad_files(bad), existing_files(table, bad))

    return present.read("Image set", "", name, read, [table])
