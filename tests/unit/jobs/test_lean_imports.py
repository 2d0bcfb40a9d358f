"""Keras starts without what it merely wraps, and the rest of the process does not notice."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.backends.names import BACKENDS, DEFAULT

LEAN = "from convscope.jobs.lean_imports import keras_alone; keras_alone(); "
SEEN = "print('sklearn' in sys.modules, 'matplotlib' in sys.modules); "
WRAPPED = "import sklearn.metrics, matplotlib.pyplot, keras; print(sklearn.metrics.accuracy_score([1, 0], [1, 1])); "
NAMED = "print(keras.backend.backend());"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def choice(backend: str) -> str:
    return f"from convscope.backends.names import choose; choose({backend!r});"


@pytest.mark.long
def test_keras_imports_what_it_wraps() -> None:
    """Or else there is nothing to leave out."""
    assert run(f"import sys; import keras; {SEEN}").split() == ["True", "True"]


def test_keras_is_imported_without_what_it_wraps_which_can_be_imported_as_ever() -> None:
    counted = "print(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).count_params()); "
    printed = run(f"import sys; {choice(DEFAULT)} {LEAN} import keras; {NAMED} {SEEN} {counted} {WRAPPED}").split()
    assert printed == [DEFAULT, "False", "False", "9", "0.5"]


def test_also_behind_tensorflow() -> None:
    assert run(f"import sys; {LEAN} import tensorflow, keras; {SEEN}").split() == ["False", "False"]


def test_the_wrapped_libraries_can_be_imported_first() -> None:
    assert run(LEAN + WRAPPED).split() == ["0.5"]


def test_who_looks_for_a_wrapped_library_meanwhile_is_told_something() -> None:
    """PyTorch does, while Keras imports it."""
    code = (
        "import sys, types, importlib.util; from importlib.machinery import ModuleSpec;"
        "keras = sys.modules['keras'] = types.ModuleType('keras');"
        "keras.__spec__ = ModuleSpec('keras', None); keras.__spec__._initializing = True;"
        "spec = importlib.util.find_spec('sklearn'); print(spec.origin)\n"
        "try:\n    import sklearn\nexcept ModuleNotFoundError as error:\n    print(error.name)\n"
        "keras.__spec__._initializing = False\nprint(importlib.util.find_spec('sklearn').origin is None)"
    )
    assert run(LEAN + code).split() == ["None", "sklearn", "False"]


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != DEFAULT])
def test_keras_works_on_every_backend(backend: str) -> None:
    for library in BACKENDS[backend]:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    assert run(f"import sys; {choice(backend)} {LEAN} import keras; {NAMED} {SEEN}").split()[:2] == [backend, "False"]


def test_asked_twice_is_asked_once() -> None:
    code = "import sys; n = len(sys.meta_path); keras_alone(); print(len(sys.meta_path) - n)"
    assert int(run(LEAN + code)) == 0


def test_garbage_is_collected_rarely_and_still_collected() -> None:
    code = (
        "import gc, weakref; from convscope.jobs.lean_imports import collect_rarely; collect_rarely();"
        "seen = []; gc.callbacks.append(lambda phase, info: seen.append(info['generation']) if phase == 'start' else None);"
        "kept = [[] for _ in range(40_000)]; few = len(seen);"
        "Node = type('Node', (), {}); node = Node(); node.self = node; gone = weakref.ref(node); del node;"
        "kept += [[] for _ in range(60_000)]; print(few, gone() is None)"
    )
    assert run(code).split() == ["0", "True"]


def test_the_last_search_for_garbage_is_left_out_and_the_end_is_an_end_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "log"
    code = (
        "import atexit, gc; from convscope.jobs.lean_imports import leave_the_garbage;"
        f"log = open({str(file)!r}, 'w'); log.write('written ');"
        "gc.callbacks.append(lambda phase, info: info['collected'] and print('collected', flush=True));"
        "atexit.register(print, 'exit handler');"
        "kept = [[] for _ in range(1000)]; kept.append(kept); del kept;"
    )
    assert run(code + "gc.collect()").split("\n")[0] == "collected"  # else there is nothing to leave out
    assert run(code + "leave_the_garbage()").split("\n") == ["exit handler", ""]
    assert file.read_text() == "written "
