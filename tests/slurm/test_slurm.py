"""The workflow through Slurm, by the profile as it is: a cluster of two nodes without accounting (see `cluster`)."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import NODES, Cluster
from tests.workflow.changes.workshop import contents
from tests.workflow.conftest import TINY, Project, copy_sources


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if lacks := Cluster.missing():
        pytest.skip(f"needs {', '.join(lacks)}")
    # Short: a socket's name has a hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    try:
        with Cluster(folder / "all") as started:
            yield started
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def submitted(root: Path, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Project:
    """The tiny study, made by the cluster."""
    project = copy_sources(root, tmp_path_factory.mktemp("submitted") / "project")
    project.run("--profile", "profiles/slurm")
    return project


def test_the_results_are_those_of_one_machine(submitted: Project, root: Path, tmp_path: Path) -> None:
    here = copy_sources(root, tmp_path / "project")
    here.run("--cores", "2")
    made, expected = contents(submitted.folder), contents(here.folder)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_jobs_ran_on_both_nodes(submitted: Project, cluster: Cluster) -> None:
    nodes = cluster.says("squeue", "-t", "all", "-h", "-o", "%N").split()
    assert set(nodes) == set(NODES)
    assert set(cluster.says("squeue", "-t", "all", "-h", "-o", "%T").split()) == {"COMPLETED"}


def test_a_finished_study_submits_nothing(submitted: Project) -> None:
    assert not submitted.would_run("--profile", "profiles/slurm")
