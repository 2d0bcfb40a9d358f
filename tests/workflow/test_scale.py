"""A finished study of many images and layers: what reading it costs. Counted, not timed; `make bench` times it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scale import FinishedStudy
from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]

HEAVY = {"tensorflow", "keras", "keras_hub", "h5py", "matplotlib", "sklearn", "skimage", "scipy", "lime", "shap"}
IMAGES, LAYERS = 400, 12

# Runs Snakemake as its command does, and says which modules it imported, which files it opened below the project, and how
# often it parsed Python.
_WATCH = """
import ast, collections, json, sys
opened, parsed = collections.Counter(), []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened[arguments[0]] += 1
sys.addaudithook(watch)
parse = ast.parse
ast.parse = lambda source, filename="<unknown>", *rest, **more: parsed.append(str(filename)) or parse(source, filename, *rest, **more)
from snakemake.cli import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit as end:
    code = end.code
with open(sys.argv[2], "w") as stream:
    json.dump({"modules": sorted(sys.modules), "opened": opened, "parsed": parsed, "code": code}, stream)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """Shards and layers enough that what is done once a job shows."""
    return FinishedStudy(tmp_path_factory.mktemp("scale"), IMAGES, LAYERS)


@pytest.fixture(scope="module")
def watched(study: FinishedStudy) -> dict[str, object]:
    """What reading the finished study does."""
    study.nothing_to_do()  # so that what is kept between runs is there
    report = study.folder / "watched.json"
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, json.dumps(study.arguments()), str(report)],
        cwd=study.folder,
        env=study.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nothing to be done" in done.stdout + done.stderr
    return json.loads(report.read_text())


def test_nothing_heavy_is_imported_to_read_the_workflow(watched: dict[str, object]) -> None:
    modules = watched["modules"]
    assert "snakemake.workflow" in modules and "convscope.check" in modules
    assert HEAVY & set(modules) == set()


def test_no_picture_and_no_result_but_tables_is_read(watched: dict[str, object], study: FinishedStudy) -> None:
    names = [Path(name) for name in watched["opened"]]
    assert any(name.name == "layers.csv" for name in names)
    assert [name for name in names if name.suffix in {".jpg", ".png", ".h5"}] == []


def test_a_table_is_read_a_few_times_not_once_a_job(watched: dict[str, object]) -> None:
    opened = watched["opened"]
    for table in ("layers.csv", "all.csv"):
        assert 0 < sum(count for name, count in opened.items() if Path(name).name == table) <= 12


def test_no_source_is_parsed_that_was_parsed_before(watched: dict[str, object], root: Path) -> None:
    """All but the packages with templates beside them, whose digest is made of more than their code."""
    ours = [name for name in watched["parsed"] if name.startswith(str(root))]
    assert ours == []


def test_a_new_picture_is_noticed(tmp_path: Path) -> None:
    study = FinishedStudy(tmp_path, 20, 2)
    study.nothing_to_do()
    (study.folder / "pictures" / "cat" / "00001.jpg").write_bytes(
        (study.folder / "pictures" / "cat" / "00003.jpg").read_bytes()
    )
    assert "image_set" in study.run("-n")


def test_help_of_every_script_imports_nothing_heavy(sources: Project) -> None:
    """A job says what it takes at once; what it needs is imported when its arguments are known."""
    program = (
        "import runpy, sys\n"
        "for name in sys.argv[1:]:\n"
        "    sys.argv = [name, '--help']\n"
        "    try:\n"
        "        runpy.run_module('scripts.' + name, run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, name\n"
        f"heavy = sorted({HEAVY!r} & set(sys.modules))\n"
        "assert not heavy, heavy\n"
    )
    names = sorted(path.stem for path in (sources.folder / "scripts").glob("*.py") if not path.stem.startswith("_"))
    assert len(names) > 15
    done = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=sources.folder,
        env=sources.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--log") >= len(names)
