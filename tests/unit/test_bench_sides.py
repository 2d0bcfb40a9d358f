"""The sides of the benchmark that are other libraries: where each runs, what it needs there, and what is said of it."""

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import ascent, sessions
from bench.__main__ import interpreters
from bench.plan import STEPS, Plan
from bench.worker import Failed
from convscope.jobs.code_digest import _INSTALLED_AS

ENVIRONMENTS = {
    "bench-peers": ("xplique_side", "tf_keras_vis_side"),
    "bench-xplique": ("xplique2_side",),
}


def test_every_library_is_run_by_the_python_that_has_it(tmp_path: Path) -> None:
    peers, xplique = tmp_path / "peers", tmp_path / "xplique"
    assert interpreters(peers, xplique) == {}
    xplique.touch()
    assert interpreters(peers, xplique) == {"xplique2_side": xplique}
    peers.touch()
    assert interpreters(peers, xplique) == {
        "xplique_side": peers,
        "xplique2_side": xplique,
        "tf_keras_vis_side": peers,
    }


def test_a_side_is_started_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, str] = {}

    class Started:
        def __init__(self, side: str, python: str, folder: Path, threads: int) -> None:
            started[side] = python
            self.facts: dict[str, Any] = {"versions": {}}

    monkeypatch.setattr(sessions, "Worker", Started)
    team = sessions.Team(2, {"xplique2_side": Path("its") / "python"})
    assert team.runs_here("ours", Path()) and team.runs_here("xplique2_side", Path())
    assert not team.runs_here("xplique_side", Path())
    assert started == {"ours": sys.executable, "xplique2_side": str(Path("its") / "python")}
    assert team.failures == {"xplique_side": "not installed; make bench-peers"}


class OfKnownCost:
    """A team of whose sides every one takes known seconds: a step of Xplique 2's ascent 32 for its 16 filters, of MaCo 5 for one."""

    def __init__(self, *installed: str) -> None:
        self.versions = {side: {"xplique": "2.0.2"} for side in installed}

    def of(self, *_: Any) -> list[None]:
        return [None]

    def runs_here(self, side: str, _: Path) -> bool:
        return side in self.versions

    def ask(self, side: str, _: Path, task: str, request: dict[str, Any], threads: int | None = None) -> list[Any]:
        steps = request.get("steps", STEPS)
        answers: dict[tuple[str, str], dict[str, Any]] = {
            ("ours", "facts"): {"filters": dict.fromkeys(LAYERS, 32), "flops": dict.fromkeys(LAYERS, 1e9)},
            ("ours", "batch"): {"batch": 8},
            ("ours", "peak"): {"float32": 1e10, "bfloat16": 1e10},
            ("ours", "ascent"): {"marks": [(8.0 * STEPS, 8), (16.0 * STEPS, 8)]},
            ("textbook", "ascent"): {"seconds": [4.0 * STEPS], "start": 0.0},
            ("xplique2_side", "batch"): {"batch": 16},
            ("xplique2_side", "ascent"): {"marks": [(3.0 + 32 * steps, 16)]},
            # Its trace, once a picture, is part of what the picture takes.
            ("xplique2_side", "maco"): {"marks": [(3.0 + 5 * steps, 1)]},
        }
        return [answers[side, task]]


LAYERS = Plan(Path(), 1, 1, True, 0, 0, None).layers


def test_xplique_2_is_one_more_library_and_its_maco_a_line_of_its_own() -> None:
    plan = Plan(Path(), 1, 1, True, 0, 0, None)
    found, raw = ascent.measure(plan, OfKnownCost("xplique2_side"), lambda _: None)  # type: ignore[arg-type]
    lines = {line.what: line for line in found}
    against = lines["ascent, exact float32: against Xplique 2"]
    assert against.value.median == pytest.approx((3 / STEPS + 32) / 16) and against.bar == 1.25
    assert against.note == "version 2.0.2"
    assert not any("Xplique 1" in what or "tf-keras-vis" in what for what in lines), "they are not installed"
    maco = lines["Xplique 2's MaCo, a filter-step"]
    assert maco.value.median == pytest.approx(3 / STEPS + 5) and (maco.unit, maco.bar) == ("s", None)
    assert set(raw["costs"]) == {"textbook", "exact", "bf16", "xplique2_side", "maco"}


def test_without_xplique_2_there_is_no_maco() -> None:
    plan = Plan(Path(), 1, 1, True, 0, 0, None)
    found, raw = ascent.measure(plan, OfKnownCost(), lambda _: None)  # type: ignore[arg-type]
    assert not any("Xplique" in line.what for line in found) and "maco" not in raw["costs"]


def imported_at_the_top(modules: tuple[str, ...], root: Path) -> set[str]:
    """What is installed from elsewhere, under the names of the packages, that must be there for these modules to be imported."""
    waiting, seen, found = list(modules), set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        path = root / Path(*name.split("."))
        path = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), path)
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for each in names:
                top = each.partition(".")[0]
                if top in ("bench", "convscope"):
                    waiting.append(each)
                elif top not in sys.stdlib_module_names:
                    found.add(_INSTALLED_AS.get(top, top).replace("_", "-").lower())
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_a_side_imports_is_in_the_lock_of_its_environment(root: Path, environment: str) -> None:
    lock = (root / "requirements" / f"{environment}.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    assert {f"{side}.py" for sides in ENVIRONMENTS.values() for side in sides} == {
        path.name for path in (root / "bench" / "sides").glob("*_side.py")
    }
    modules = ("bench.worker", *(f"bench.sides.{side}" for side in ENVIRONMENTS[environment]))
    needed = imported_at_the_top(modules, root)
    assert {"keras", "xplique", "xxhash"} <= needed, "what is imported by what is imported is seen"
    assert needed <= locked


def test_keras_is_the_same_everywhere_and_nothing_computes_on_cuda(root: Path) -> None:
    """The libraries are compared, not their Keras; the lock of Xplique 2 leaves out what it would compute on elsewhere."""
    locks = {name: (root / "requirements" / f"{name}.lock").read_text(encoding="utf-8") for name in ENVIRONMENTS}
    locks["runtime"] = (root / "requirements" / "runtime.lock").read_text(encoding="utf-8")
    assert len({re.findall(r"^keras==(\S+)", lock, re.MULTILINE)[0] for lock in locks.values()}) == 1
    assert "nvidia" not in locks["bench-xplique"]
    assert "nvidia" not in locks["bench-peers"]


def test_a_side_that_ends_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: Any) -> None:
        raise Failed("it ended without an answer")

    monkeypatch.setattr(sessions, "Worker", ends)
    team = sessions.Team(2, {"xplique2_side": Path("python")})
    assert not team.runs_here("xplique2_side", Path())
    assert team.failures == {"xplique2_side": "it ended without an answer"}
