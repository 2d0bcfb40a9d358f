"""A short start and a short end for the pipeline's jobs: what costs seconds without being work is left out."""

import gc
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

WRAPPED = ("sklearn", "matplotlib")


class _LeftOut(Loader):
    """What is found in the place of a wrapped library: it cannot be imported."""

    def exec_module(self, module: ModuleType) -> None:
        """Say that it is missing."""
        raise ModuleNotFoundError(f"{module.__name__} is left out of the import of Keras", name=module.__name__)


class _NotForKeras(MetaPathFinder):
    """Says that the wrapped libraries are missing while Keras is being imported; Keras can do without them.

    To look for one is no error: PyTorch, which Keras may import, only asks where they lie.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse a wrapped library to Keras; leave everything else to the other finders."""
        return ModuleSpec(fullname, _LeftOut()) if fullname in WRAPPED and _being_imported("keras") else None


def _being_imported(package: str) -> bool:
    # A name imported from inside a package counts as its import: TensorFlow fetches Keras by parts.
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return any(getattr(getattr(sys.modules[name], "__spec__", None), "_initializing", False) for name in names)


def keras_alone() -> None:
    """From now on Keras is imported without scikit-learn and matplotlib, a third of its start; both can be imported as ever.

    For processes that do not use `keras.wrappers` and `keras.visualization`, as the pipeline's jobs.
    """
    if not any(isinstance(finder, _NotForKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NotForKeras())


def collect_rarely() -> None:
    """Look for garbage after 50,000 new objects instead of hundreds.

    Importing TensorFlow and building a network make some hundred thousand objects, all of them kept: walking them again and
    again takes a fifth of a job's start. Garbage of this kind is small; arrays and tensors go with their last reference.
    """
    gc.set_threshold(50_000, 20, 50)


def leave_the_garbage() -> None:
    """Look for no more garbage: for a process that ends now.

    At its end Python would walk through every object of every library several times, a sixth of a job's start; all of it goes with
    the process. Files are closed and exit handlers run as ever.
    """
    gc.freeze()
    gc.disable()
