"""Two studies run at once in one checkout, and the list of studies shows both."""

import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]  # a process group is stopped, which servers are not in

STUDY = """
study: NAME
datasets:
  pets: {source: drawn_pets, image_size: 64, images_per_class: {train: COUNT}}
models: {}
"""


def test_two_studies_at_once(fresh: Project) -> None:
    for name, count in (("first", 40), ("second", 2)):
        (fresh.folder / f"{name}.yaml").write_text(STUDY.replace("NAME", name).replace("COUNT", str(count)))
    index = fresh.folder / "results" / "index.html"
    with subprocess.Popen(
        fresh.command(config="first.yaml"),
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        while not any(fresh.folder.glob("results/first/datasets/pets/.drawn*")) and first.poll() is None:
            time.sleep(0.005)
        os.killpg(first.pid, signal.SIGSTOP)
        try:
            fresh.run(config="second.yaml")
            listed = index.read_text()
        finally:
            os.killpg(first.pid, signal.SIGCONT)
        assert 'href="second/gallery/index.html"' in listed and "first/" not in listed
        assert first.wait(timeout=120) == 0
    listed = index.read_text()
    assert 'href="first/gallery/index.html"' in listed and 'href="second/gallery/index.html"' in listed

    # Lost, or one that does not lead to a study, the list is made again by the next run of that study.
    index.write_text(listed.replace("second/gallery", "third/gallery"))
    assert fresh.would_run(config="first.yaml") == Counter()  # that one is still listed, and needs nothing else
    assert fresh.would_run(config="second.yaml") == Counter({"index": 1})
    index.unlink()
    fresh.run(config="first.yaml")
    assert index.read_text() == listed
