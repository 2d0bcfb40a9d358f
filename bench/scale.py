"""A finished study of many images and layers, made without doing its work: to see how soon the workflow says "nothing to do".

The rules whose results decide what there is to do (model, layers, image set) really run; a stand-in for `python` makes empty
results for all others, so that Snakemake has its records of every job.
"""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from bench.network import ROOT

# Whatever a command names under results/ and is not there yet is what it has to make; the gallery's page has one file beside it, and
# the list of studies leads to it.
_STAND_IN = """#!/bin/sh
case "$2" in
  layers|image_set|import_model) exec "{python}" "$@" ;;
esac
for name in "$@"; do
  case "$name" in
    results/*) [ -e "$name" ] && continue
      case "${{name##*/}}" in
        *.*) mkdir -p "${{name%/*}}"; echo "stand-in" > "$name"
              [ "$2" = gallery ] && echo "stand-in" > "${{name%/*}}/study.json"
              [ "$2" = index ] && echo 'href="scale/gallery/index.html"' > "$name" ;;
        *) mkdir -p "$name" ;;
      esac ;;
  esac
done
exit 0
"""


def config(model: Path, pictures: Path) -> dict[str, Any]:
    """A study of a model file and a folder of pictures that asks for all of filters, activations and maps."""
    return {
        "study": "scale",
        "datasets": {},
        "models": {"net": {"source": "file", "path": str(model), "image_size": 32}},
        "image_sets": {"all": {"folder": str(pictures)}},
        "activations": {"net": {"images": ["all"]}},
        "filters": {"net": {"size": 32}},
        "cams": {"net": {"images": ["all"]}},
    }


def write_pictures(folder: Path, count: int) -> None:
    """As many small JPEG files; every one differs, so that none is taken for another."""
    from PIL import Image

    for number in range(count):
        place = folder / ("cat" if number % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        colour = (number % 256, number // 256 % 256, 128)
        Image.new("RGB", (16, 16), colour).save(place / f"{number:05d}.jpg")


def write_model(path: Path, layers: int) -> None:
    """A network of as many small convolutions."""
    import keras

    x = inputs = keras.Input((32, 32, 3))
    for number in range(layers):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"conv_{number}")(x)
    x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(inputs, x).save(path)


class FinishedStudy:
    """Such a study in a folder.

    Args:
        folder: empty, for everything.
        images, layers: how many.
    """

    def __init__(self, folder: Path, images: int, layers: int) -> None:
        self.folder = folder
        write_pictures(folder / "pictures", images)
        write_model(folder / "model.keras", layers)
        (folder / "study.yaml").write_text(yaml.safe_dump(config(folder / "model.keras", folder / "pictures")))
        stand_in = folder / "bin" / "python"
        stand_in.parent.mkdir()
        stand_in.write_text(_STAND_IN.format(python=sys.executable))
        stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        self.run()

    def arguments(self) -> list[str]:
        """What follows `snakemake`."""
        profile = ROOT / "profiles" / "default"
        result = ["--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(profile), "--cores", "2"]
        return [*result, "--directory", str(self.folder), "--configfile", str(self.folder / "study.yaml")]

    def environment(self) -> dict[str, str]:
        """With the stand-in for `python` first."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str) -> str:
        """Run Snakemake; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "snakemake", *self.arguments(), *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout + done.stderr

    def nothing_to_do(self) -> float:
        """Seconds until the workflow says that there is nothing to do.

        Raises:
            RuntimeError: it found something.
        """
        began = time.perf_counter()
        printed = self.run()
        if "Nothing to be done" not in printed:
            raise RuntimeError(f"the finished study is not finished: {printed[-2000:]}")
        return time.perf_counter() - began
