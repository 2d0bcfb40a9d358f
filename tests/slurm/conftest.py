"""A Slurm for the tests of a file, with accounting or without; where it cannot be started, they say what is missing."""

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster


def started(accounting: bool = False) -> Iterator[Cluster]:
    """A cluster, for a fixture."""
    lacks = Cluster.missing(accounting)
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        lacks.append("snakemake-executor-plugin-slurm")
    if lacks:
        pytest.skip(f"needs {', '.join(lacks)}")
    # Short: a socket's name has a hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    try:
        with contextlib.ExitStack() as stack:
            try:
                cluster = stack.enter_context(Cluster(folder / "all", accounting))
            except RuntimeError as error:
                # The packages can be installed, and the machine does not let them run: in a container, say.
                if os.environ.get("SLURM") != "optional":
                    raise
                pytest.skip(str(error))
            yield cluster
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Without accounting."""
    yield from started()
