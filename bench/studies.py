"""Running a study of the benchmark through the workflow, in a folder of its own, as a user would."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from bench.network import ROOT, SIZE
from bench.plan import STUDY
from bench.worker import Failed


def derived(network: Path, pictures: dict[str, Path]) -> dict[str, Any]:
    """config/bench.yaml on the benchmark's own network and folders of pictures.

    Args:
        network: folder of `model.keras`.
        pictures: image set -> folder.
    """
    config = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    config["datasets"] = {}
    config["models"]["xception"] = {
        "source": "file",
        "path": str(network / "model.keras"),
        "image_size": SIZE,
        "preprocessing": "tf",
    }
    config["image_sets"] = {name: {"folder": str(folder)} for name, folder in pictures.items()}
    return config


def write_jpegs(folder: Path, count: int, different: int = 64) -> None:
    """JPEG photographs to work on: drawn pets at the size of a photo, each on disk many times under names of its own."""
    from PIL import Image

    from convscope.data.drawn.pets import draw_pet

    folder.mkdir(parents=True, exist_ok=True)
    sources: list[bytes] = []
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        if path.exists():
            continue
        if number < different:
            Image.fromarray(draw_pet(number % 2, number, 1, 320, "photos").image).save(path, quality=90)
        else:
            sources = sources or [(folder / f"{index:05d}.jpg").read_bytes() for index in range(different)]
            path.write_bytes(sources[number % different])


class Study:
    """A study in a folder.

    Args:
        folder: where it runs; its results go to `results/` there.
        config: its configuration.
        cores: for Snakemake.
    """

    def __init__(self, folder: Path, config: dict[str, Any], cores: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.cores = folder, cores
        self.results = folder / "results" / config["study"]
        self._config = folder / "study.yaml"
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")

    def run(self, *targets: str) -> float:
        """Make some results (names under the study's folder); the seconds that the command took.

        Raises:
            Failed: the workflow did not finish.
        """
        profile = ROOT / "profiles" / "default"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--workflow-profile", str(profile)]
        command += ["--configfile", str(self._config), "--quiet", "all", "--cores", str(self.cores)]
        command += [str((self.results / target).relative_to(self.folder)) for target in targets]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"the workflow stopped: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        return time.perf_counter() - began

    def jobs(self, rule: str) -> list[dict[str, float]]:
        """What Snakemake measured of a rule's jobs: seconds and the largest memory in MiB."""
        found = []
        for path in sorted((self.results / "benchmarks" / rule).glob("*.tsv")):
            with path.open(newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t"):
                    memory = row["max_rss"]
                    found.append({"seconds": float(row["s"]), "mib": float(memory) if memory[:1].isdigit() else 0.0})
        return found
