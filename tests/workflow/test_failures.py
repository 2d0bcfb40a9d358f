"""A job fails: the rest is shown, the reason is said, and the next run makes what is missing, all of it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

MAIN = "def main(args: argparse.Namespace) -> None:\n"


def break_script(project: Project, name: str, says: str) -> None:
    """Let a script end with an error."""
    stop = f"    from convscope.errors import UserError as Stop\n\n    raise Stop({says!r})\n"
    project.edit(f"scripts/{name}.py", MAIN, MAIN + stop)


def mend_script(project: Project, sources: Project, name: str) -> None:
    file = Path("scripts") / f"{name}.py"
    (project.folder / file).write_bytes((sources.folder / file).read_bytes())


def test_one_failed_job_leaves_a_gallery_of_the_rest(copy: Project, sources: Project, finished: Project) -> None:
    break_script(copy, "side_by_side", "no <room> on the disk")
    done = copy.snakemake()
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    log = "results/tiny/logs/side_by_side/net.few.log"
    said = printed[printed.index("A job failed:") :].splitlines()
    assert said[1] == f"  side_by_side net few: no <room> on the disk ({log})"
    assert said[2].endswith("results/tiny/gallery/index.html")

    gallery = copy.study / "gallery"
    page = (gallery / "index.html").read_text(encoding="utf-8")
    assert "Unfinished: 1 job failed" in page and page.count("no &lt;room&gt; on the disk") == 2
    assert "net_few.html" in page  # the rest is shown, maps of the same images too
    methods = (gallery / "methods_net_few.html").read_text(encoding="utf-8")
    assert "Integrated gradients" in methods and "side_by_side/" not in methods
    assert not (gallery / "study.json").exists()
    assert json.loads((gallery / "unfinished.json").read_text())["failed"] == 1
    assert "1 job failed" in (copy.folder / "results" / "index.html").read_text(encoding="utf-8")

    mend_script(copy, sources, "side_by_side")
    assert copy.would_run() == Counter({"side_by_side": 1, "gallery": 1, "index": 1})
    copy.run()
    wanted, found = finished.files(), copy.files()
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if wanted[name] != found[name]] == []
    assert copy.would_run() == Counter()


def test_nothing_older_stands_in_for_what_failed(copy: Project, sources: Project) -> None:
    """Behind the maps that failed lie joined maps and pictures of the run before, newer than all else."""
    copy.edit("config/tiny.yaml", "wrong], class: all", "wrong], class: predicted")
    break_script(copy, "cam", "out of memory")
    done = copy.snakemake()
    assert done.returncode == 1 and "3 of the jobs failed:" in done.stderr
    page = (copy.study / "gallery" / "index.html").read_text(encoding="utf-8")
    assert "images_net_few.html" not in page and "judging_net_few.html" not in page
    assert "Class activation maps of net" in page and "Judging of net" in page

    mend_script(copy, sources, "cam")
    wanted = {
        "cam": 3,
        "gather_cam": 2,
        "overlays": 2,
        "strategies": 1,
        "judge": 1,
        "judge_controls": 1,
        "judging_report": 1,
    }
    assert copy.would_run() == Counter({**wanted, "gallery": 1, "index": 1})


def test_a_run_that_makes_no_gallery_says_why_it_failed(fresh: Project) -> None:
    break_script(fresh, "draw_pets", "no pencil")
    done = fresh.snakemake("results/tiny/datasets/pets/images.csv")
    assert done.returncode == 1 and "draw_pets pets: no pencil (" in done.stderr
    assert not (fresh.study / "gallery").exists()
