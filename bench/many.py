"""A study of a million image paths, without their pixels: what it costs to choose them, and to plan the jobs that explain them.

`python -m bench.many --images 1000000`: a table as the rule `dataset` writes it is made up, the image set is really chosen from it,
and Snakemake plans class activation maps and attributions of all of it. Nothing is explained.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.network import ROOT
from bench.scale import write_model, write_pictures
from convscope.jobs.job import say
from convscope.storage.tables import write_table

# Stands in for `python`: the table of pictures is the one that was made up.
_STAND_IN = """#!/bin/sh
[ "$2" = dataset ] || exec "{python}" "$@"
mkdir -p results/many/datasets/all results/many/logs/dataset
for name in bad.csv skipped.csv classes.json; do cp "{table}.$name" results/many/datasets/all/$name; done
ln -f "{table}" results/many/datasets/all/images.csv
"""


def config(folder: Path, shard: int) -> dict[str, Any]:
    """A study of a saved network whose maps are asked for of all images."""
    return {
        "study": "many",
        "datasets": {"all": {"source": "path", "path": str(folder / "pictures"), "images_per_class": {"test": 1}}},
        "models": {"net": {"source": "file", "path": str(folder / "model.keras"), "image_size": 32}},
        "image_sets": {"all": {"dataset": "all", "split": "test"}},
        "cams": {
            "net": {"images": ["all"], "methods": ["gradcam", "gradcam_plus_plus", "layer_cam", "eigen_cam", "cam"]}
        },
        "attributions": {
            "net": {
                "images": ["all"],
                "methods": [
                    "saliency",
                    "input_x_gradient",
                    "smoothgrad",
                    "guided_backprop",
                    "integrated_gradients",
                    "occlusion",
                ],
                "shard": shard,
            }
        },
    }


def write_tables(place: Path, images: int) -> None:
    """The tables of a dataset of so many pictures, in two classes."""
    rows = (
        {
            "split": "test",
            "class": ("cat", "dog")[number % 2],
            "label": number % 2,
            "path": f"pictures/{number // 1000:06d}/{number:09d}.jpg",
            "width": 500,
            "height": 375,
            "sha256": f"{number:016x}",
        }
        for number in range(images)
    )
    write_table(place, rows, ["split", "class", "label", "path", "width", "height", "sha256"])
    for name, text in (
        ("bad.csv", "split,class,path,reason\n"),
        ("skipped.csv", "path,reason\n"),
        ("classes.json", '["cat", "dog"]\n'),
    ):
        Path(f"{place}.{name}").write_text(text, encoding="utf-8")


class Many:
    """Such a study in an empty folder."""

    def __init__(self, folder: Path, images: int, shard: int) -> None:
        self.folder = folder
        write_pictures(folder / "pictures", 4)
        write_model(folder / "model.keras", 2)
        table = folder / "images.csv"
        write_tables(table, images)
        (folder / "study.yaml").write_text(yaml.safe_dump(config(folder, shard)), encoding="utf-8")
        stand_in = folder / "bin" / "python"
        stand_in.parent.mkdir()
        stand_in.write_text(_STAND_IN.format(python=sys.executable, table=table), encoding="utf-8")
        stand_in.chmod(0o755)

    def snakemake(self, *arguments: str) -> tuple[str, float, float]:
        """What a run printed, its seconds, and the MB of Snakemake's own process."""
        profile = ROOT / "profiles" / "default"
        fixed = ["--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(profile), "--cores", "2"]
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        began = time.perf_counter()
        said = self.folder / "said.txt"
        with said.open("w", encoding="utf-8") as stream:
            started = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "snakemake", *fixed, "--configfile=study.yaml", *arguments],
                cwd=self.folder,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
                stdout=stream,
                stderr=stream,
            )
            _, status, used = os.wait4(started.pid, 0)
        printed = said.read_text(encoding="utf-8")
        if status:
            raise RuntimeError(printed[-5000:])
        return printed, time.perf_counter() - began, used.ru_maxrss / 1024


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--shard", type=int, default=200, help="images of a job of attributions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        many = Many(Path(folder), args.images, args.shard)
        say(f"made up in {time.perf_counter() - began:.0f} s")
        many.snakemake("results/many/models/net/layers.csv")
        _, took, memory = many.snakemake("results/many/image_sets/all.csv")
        with (many.folder / "results/many/benchmarks/image_set/all.tsv").open(encoding="utf-8") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"))
        say(
            f"chosen from {args.images} paths: {row['s']} s, {row['max_rss']} MB; with Snakemake {took:.0f} s, {memory:.0f} MB"
        )
        printed, took, memory = many.snakemake("-n", "--quiet", "rules")
        total = re.findall(r"^total +(\d+)$", printed, re.MULTILINE)
        say(f"planned {total[0]} jobs: {took:.0f} s, {memory:.0f} MB")
        say(json.dumps({"images": args.images, "jobs": int(total[0])}))


if __name__ == "__main__":
    main()
