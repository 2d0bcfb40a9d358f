"""What counts as a change of the code that a script uses."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from convscope.jobs import code_digest as module
from convscope.jobs.code_digest import code_digest, libraries_used, modules_used

FILES: dict[str, str | None] = {
    "convscope/__init__.py": '"""Library."""\n',
    "convscope/jobs/job.py": "def say(text):\n    print(text)\n",
    "convscope/maths.py": '"""Maths."""\nfrom convscope import deep\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x\n',
    "convscope/deep.py": "VALUE = 1\n",
    "convscope/lonely.py": "VALUE = 1\n",
    "convscope/pages/__init__.py": "from .build import made\n",
    "convscope/pages/build.py": "def made():\n    return 1\n",
    "convscope/pages/templates/page.html.j2": "<p>\n",
    "scripts/__init__.py": "",
    "scripts/draw.py": (
        "from convscope.jobs.job import say\n\n\n"
        "def main():\n    from convscope.maths import double\n    say(double(1))\n"
    ),
    "scripts/pages.py": "def main():\n    from convscope.pages import made\n    made()\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, FILES)
    return tmp_path


def digest(project: Path, root: Path, script: str = "scripts.draw", cache: Path | None = None) -> str:
    """In a process of its own: a digest is remembered while the workflow is read."""
    program = "import sys, pathlib; from convscope.jobs.code_digest import code_digest as d; "
    program += "print(d(sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:]))"
    kept = [str(cache)] if cache else []
    done = subprocess.run(
        [sys.executable, "-c", program, script, str(project), *kept],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_imports_inside_functions_and_of_imports_are_followed(project: Path) -> None:
    assert set(modules_used("scripts.draw", project)) == {
        "scripts.draw", "scripts", "convscope", "convscope.maths", "convscope.deep",
    }  # fmt: skip
    assert "convscope.pages.build" in modules_used("scripts.pages", project)


def test_each_file_is_looked_for_once_however_many_scripts_use_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: Counter[Path] = Counter()
    usual = Path.is_file

    def counted(path: Path) -> bool:
        looked[path] += path.name != "__init__.py"  # that is looked for beside templates, too
        return usual(path)

    monkeypatch.setattr(Path, "is_file", counted)
    for _ in range(2):
        for script in ("draw", "pages"):
            code_digest(f"scripts.{script}", project)
    assert looked[project / "convscope" / "maths.py"] == 1 and max(looked.values()) == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("convscope/maths.py", "2 * x", "3 * x"),
        ("convscope/deep.py", "VALUE = 1", "VALUE = 2"),
        ("scripts/draw.py", "double(1)", "double(2)"),
        ("convscope/__init__.py", '"""Library."""', "VERSION = 1"),
        ("convscope/maths.py", "def double(x):", "def double(x, y=2):"),
    ],
)
def test_a_change_that_counts(project: Path, root: Path, file: str, old: str, new: str) -> None:
    before = digest(project, root)
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    assert digest(project, root) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("convscope/maths.py", "2 * x", "2*x  # twice"),
        ("convscope/maths.py", '"""Twice."""', '"""Two times."""'),
        ("convscope/maths.py", '    """Twice."""\n', ""),
        ("convscope/maths.py", '"""Maths."""', '"""Mathematics."""\n\n\n'),
        ("convscope/lonely.py", "VALUE = 1", "VALUE = 2"),
        ("convscope/jobs/job.py", "print(text)", "print(text, flush=True)"),
        ("convscope/pages/build.py", "return 1", "return 2"),
        ("convscope/pages/templates/page.html.j2", "<p>", "<b>"),
    ],
)
def test_a_change_that_does_not(project: Path, root: Path, file: str, old: str, new: str) -> None:
    before = digest(project, root)
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    assert digest(project, root) == before


def test_a_template_is_code_of_its_package(project: Path, root: Path) -> None:
    before = digest(project, root, "scripts.pages")
    (project / "convscope/pages/templates/page.html.j2").write_text("<b>\n")
    assert digest(project, root, "scripts.pages") != before


def test_the_place_of_the_project_does_not_count(
    project: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "project"
    project.rename(other)
    there = digest(other, root)
    other.rename(project)
    assert digest(project, root) == there


MOVED = {
    "convscope/maths.py": '"""Maths."""\nfrom convscope.ground import deep\n\n\ndef double(x):\n    return 2 * x\n',
    "convscope/deep.py": None,
    "convscope/ground/__init__.py": '"""What others stand on."""\n',
    "convscope/ground/deep.py": FILES["convscope/deep.py"],
    "convscope/pages/build.py": None,
    "convscope/pages/making/__init__.py": '"""How they are made."""\n',
    "convscope/pages/making/build.py": FILES["convscope/pages/build.py"],
    "convscope/pages/__init__.py": "from convscope.pages.making.build import made\n",
}


def write(project: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        if text is None:
            (project / name).unlink()
        else:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)


def test_a_file_that_moves_without_changing_counts_for_nothing(project: Path, root: Path) -> None:
    scripts = ("scripts.draw", "scripts.pages")
    before = [digest(project, root, script) for script in scripts]
    write(project, MOVED)
    assert [digest(project, root, script) for script in scripts] == before
    assert "convscope.ground.deep" in modules_used("scripts.draw", project), "and it is still looked at"
    write(project, {"convscope/ground/deep.py": "VALUE = 2\n"})
    assert digest(project, root) != before[0]


def test_imports_sorted_anew_by_a_move_count_for_nothing(project: Path, root: Path) -> None:
    first, second = "from convscope.deep import VALUE\n", "from convscope.maths import double\n"
    rest = "\n\ndef main():\n    double(VALUE)\n"
    write(project, {"scripts/draw.py": first + second + rest})
    before = digest(project, root)
    write(project, {"convscope/xyz.py": FILES["convscope/deep.py"]})
    write(project, {"scripts/draw.py": second + first.replace("deep", "xyz") + rest})
    write(
        project, {"convscope/maths.py": str(FILES["convscope/maths.py"]).replace("import deep", "import xyz as deep")}
    )
    moved = digest(project, root)
    assert moved != before, "what was imported under its own name has another now"
    write(project, {"convscope/maths.py": FILES["convscope/maths.py"]})
    write(project, {"scripts/draw.py": second + first + rest})
    assert digest(project, root) == before


def test_an_import_for_its_effect_alone_counts_by_content(project: Path, root: Path) -> None:
    write(project, {"scripts/draw.py": "import os, convscope.deep\n\n\ndef main():\n    pass\n"})
    before = digest(project, root)
    write(project, {"scripts/draw.py": "import os, convscope.ground.deep\n\n\ndef main():\n    pass\n"})
    write(project, {"convscope/ground/deep.py": "VALUE = 1\n", "convscope/ground/__init__.py": ""})
    assert digest(project, root) == before
    write(project, {"convscope/ground/deep.py": "VALUE = 2\n"})
    assert digest(project, root) != before


def test_every_package_above_a_module_counts(project: Path, root: Path) -> None:
    write(project, {"scripts/draw.py": "from convscope.pages.making.build import made\n"})
    write(project, {"convscope/pages/making/build.py": "made = 1\n", "convscope/pages/making/__init__.py": ""})
    before = digest(project, root)
    write(project, {"convscope/__init__.py": "import os\n"})
    assert digest(project, root) != before


def test_the_same_name_from_another_module_counts(project: Path, root: Path) -> None:
    """Both are in use already, so that no file enters or leaves."""
    files = {"convscope/one.py": "def f():\n    return 1\n", "convscope/two.py": "def f():\n    return 2\n"}
    text = "from convscope import one, two\n\n\ndef a():\n    from convscope.one import f\n    return f()\n"
    text += "\n\ndef b():\n    from convscope.two import f\n    return f()\n"
    write(project, {**files, "scripts/draw.py": text})
    before = digest(project, root)
    write(project, {"scripts/draw.py": text.replace("convscope.one import", "convscope.two import")})
    assert digest(project, root) != before
    swapped = text.replace("convscope.one import", "?").replace("convscope.two import", "convscope.one import")
    write(project, {"scripts/draw.py": swapped.replace("?", "convscope.two import")})
    assert digest(project, root) != before, "each function calls the other's"


ONE, TWO = "VALUE = 1\n\n\ndef f():\n    return VALUE\n", "VALUE = 2\n\n\ndef f():\n    return VALUE\n"
SWAPS = {
    "imports for their effect": (
        {"scripts/draw.py": "import convscope.one\nimport convscope.two\n"},
        {"convscope/one.py": TWO, "convscope/two.py": ONE},
    ),
    "branches": (
        {"scripts/draw.py": "X = 1\nif X:\n    from convscope.one import f\nelse:\n    from convscope.two import f\n"},
        {"scripts/draw.py": "X = 1\nif X:\n    from convscope.two import f\nelse:\n    from convscope.one import f\n"},
    ),
    "one name twice": (
        {"scripts/draw.py": "from convscope.one import f\nfrom convscope.two import f\n"},
        {"scripts/draw.py": "from convscope.two import f\nfrom convscope.one import f\n"},
    ),
    "everything of two": (
        {"scripts/draw.py": "from convscope.one import *\nfrom convscope.two import *\n"},
        {"scripts/draw.py": "from convscope.two import *\nfrom convscope.one import *\n"},
    ),
    "what others hand on": (
        {
            "convscope/first.py": "from convscope.one import f\n\n\ndef g():\n    return f()\n",
            "convscope/second.py": "from convscope.two import f\n\n\ndef g():\n    return f()\n",
            "scripts/draw.py": "from convscope.first import g as a\nfrom convscope.second import g as b\n",
        },
        {"scripts/draw.py": "from convscope.second import g as a\nfrom convscope.first import g as b\n"},
    ),
    "before or after an assignment": (
        {"scripts/draw.py": "from convscope.one import f\n\nf = 3\n"},
        {"scripts/draw.py": "f = 3\nfrom convscope.one import f\n"},
    ),
    "out of a condition": (
        {"scripts/draw.py": "X = 0\nif X:\n    from convscope.one import f\n    X = 2\n"},
        {"scripts/draw.py": "X = 0\nfrom convscope.one import f\nif X:\n    X = 2\n"},
    ),
    "a property's two sides": (
        {
            "scripts/draw.py": "class A:\n    @property\n    def p(self):\n        from convscope.one import f\n        return f\n\n"
            "    @p.setter\n    def p(self, x):\n        from convscope.two import f\n        f(x)\n"
        },
        {
            "scripts/draw.py": "class A:\n    @property\n    def p(self):\n        from convscope.two import f\n        return f\n\n"
            "    @p.setter\n    def p(self, x):\n        from convscope.one import f\n        f(x)\n"
        },
    ),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_what_is_swapped_counts(project: Path, root: Path, swap: str) -> None:
    """All files stay in use, with the same code in them; another one is meant."""
    before, after = SWAPS[swap]
    write(project, {"convscope/one.py": ONE, "convscope/two.py": TWO, **before})
    first = digest(project, root)
    write(project, after)
    assert digest(project, root) != first


def test_a_circle_of_imports_ends(project: Path, root: Path) -> None:
    circle = {
        "convscope/one.py": "from convscope.two import b\na = 1\n",
        "convscope/two.py": "import convscope.one\nb = 1\n",
    }
    write(project, {**circle, "scripts/draw.py": "from convscope.one import a\n"})
    before = digest(project, root)
    write(project, {"convscope/two.py": "import convscope.one\nb = 2\n"})
    assert digest(project, root) != before


def test_every_script_of_the_project_has_a_digest_of_its_own(root: Path) -> None:
    scripts = [path.stem for path in (root / "scripts").glob("*.py") if not path.stem.startswith("_")]
    digests = {code_digest(f"scripts.{name}", root) for name in scripts}
    assert len(digests) == len(scripts) > 15
    assert "convscope.filters.steps" in modules_used("scripts.ascend", root)
    assert "convscope.filters.steps" not in modules_used("scripts.cam", root)


def test_what_was_parsed_before_is_not_parsed_again_and_no_change_is_missed(
    project: Path, root: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "kept" / "code.json"
    first = digest(project, root, cache=cache)
    assert first == digest(project, root) == digest(project, root, cache=cache)
    known = json.loads(cache.read_text())
    for found in known["sources"].values():
        found[1] = "0" * 64
    cache.write_text(json.dumps(known))
    assert digest(project, root, cache=cache) != first  # what is kept is what is used
    known["version"] = "another parser"
    cache.write_text(json.dumps(known))
    assert digest(project, root, cache=cache) == first
    path = project / "convscope/deep.py"
    path.write_text("VALUE = 2\n")
    changed = digest(project, root, cache=cache)
    assert changed != first and changed == digest(project, root)
    cache.write_text("{half a fi")
    assert digest(project, root, cache=cache) == changed


def test_the_versions_of_the_libraries_that_are_used_count(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "convscope/deep.py").write_text(
        "def f():\n    import keras, requests\n    from PIL import Image\n    import os\n"
    )
    (project / "convscope/lonely.py").write_text("import scipy.ndimage\n")
    (project / "convscope/pages/build.py").write_text("import lime\n")
    assert set(libraries_used("scripts.pages", project)) == {"lime", "skimage", "sklearn"}, "who segments, and who fits"
    used = libraries_used("scripts.draw", project)
    assert set(used) == {
        "keras",
        "tensorflow",
        "PIL",
    }  # Keras computes with TensorFlow; what only downloads is left out
    assert all(version[0].isdigit() for version in used.values())
    before = code_digest("scripts.draw", project)
    changed = {}
    for library in (*used, "scipy"):
        monkeypatch.setattr(module, "_version_of", lambda name, of=library: "next" if name == of else used[name])
        changed[library] = code_digest("scripts.draw", project) != before
    assert changed == {"keras": True, "tensorflow": True, "PIL": True, "scipy": False}
