"""The names on the package itself: light, in any order of imports, and no part of any script's code."""

import subprocess
import sys
from pathlib import Path

import pytest

from convscope.jobs.code_digest import modules_used

MODEL = (
    "import keras, numpy as np\n"
    "model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3, name='conv'),"
    " keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])\n"
    "picture = np.full((16, 16, 3), 9, np.uint8)\n"
    "print(convscope.activations(model, picture, 'conv').values.shape)\n"
)


def run(code: str, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_nothing_heavy_is_imported_before_it_is_asked_for(root: Path) -> None:
    heavy = "('numpy', 'keras', 'tensorflow', 'matplotlib', 'PIL', 'yaml', 'convscope.notebook')"
    assert run(f"import sys, convscope; dir(convscope); print([m for m in {heavy} if m in sys.modules])", root) == "[]"


def test_the_names_are_listed_and_others_are_refused(root: Path) -> None:
    names = "['Watch', 'activations', 'explain', 'filter_patterns']"
    assert (
        run(f"import convscope; print(set({names}) <= set(dir(convscope)), convscope.__all__ == {names})", root)
        == "True True"
    )
    assert run("from convscope import *; print(callable(activations) and callable(explain))", root) == "True"
    code = "import convscope\ntry:\n    convscope.explane\nexcept AttributeError as error:\n    print(error)"
    assert run(code, root) == "module 'convscope' has no attribute 'explane'"


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        "import convscope",
        "import convscope.activations.sheets, convscope",
        "import convscope; convscope.explain; import convscope.activations.extract",
    ],
)
def test_activations_is_a_package_and_a_function_in_either_order(root: Path, first: str) -> None:
    after = (
        "import convscope.activations.sheets as sheets; print(sheets.COLUMNS, convscope.activations.sheets is sheets)"
    )
    assert run(f"{first}\n{MODEL}{after}", root).splitlines() == ["(1, 14, 14, 2)", "16 True"]


def test_the_functions_say_what_they_take() -> None:
    import inspect

    import convscope

    assert list(inspect.signature(convscope.activations).parameters) == ["model", "images", "layer", "settings"]
    assert list(inspect.signature(convscope.explain).parameters)[:4] == ["model", "images", "method", "target"]
    assert convscope.explain.__doc__ and convscope.filter_patterns.__doc__


def test_no_scripts_code_digest_follows_the_notebook(root: Path) -> None:
    scripts = [path.stem for path in (root / "scripts").glob("*.py") if not path.stem.startswith("_")]
    assert len(scripts) > 30
    for script in scripts:
        used = modules_used(f"scripts.{script}", root)
        assert "convscope" in used
        assert not [name for name in used if name.startswith("convscope.notebook")], script
    assert "convscope.notebook.explanations" in modules_used("convscope.notebook", root), "and it would be seen"
