"""A Slurm for the tests of a file, with accounting or without; where it cannot be started, they say what is missing."""

import importlib.util
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
        with Cluster(folder / "all", accounting) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Without accounting."""
    yield from started()
