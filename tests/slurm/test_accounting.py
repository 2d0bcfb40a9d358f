"""The same profile on a cluster with a database of accounts, where a job on no account is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import ACCOUNTS, Cluster
from tests.slurm.conftest import started
from tests.workflow.conftest import Project, copy_sources

PROFILE = "profiles/slurm/config.yaml"
TARGET = "results/tiny/datasets/pets/contact_sheet.png"


@pytest.fixture(scope="module")
def accounts() -> Iterator[Cluster]:
    yield from started(accounting=True)


@pytest.fixture
def project(root: Path, tmp_path: Path, accounts: Cluster) -> Project:
    return copy_sources(root, tmp_path / "project")


@pytest.mark.slow
@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_profile_works_with_accounting_without_a_word_and_with_an_account(
    project: Project, accounts: Cluster, account: str
) -> None:
    if account == "mine":
        project.edit(PROFILE, "  # slurm_account: mine", "  slurm_account: mine")
    already = len(accounts.jobs("%a"))
    project.run("--profile", "profiles/slurm", TARGET)
    assert [field for _, field in accounts.jobs("%a|%T")[already:]] == [f"{account}|COMPLETED"]


@pytest.mark.slow
def test_an_account_of_somebody_else_is_refused_in_words(project: Project, accounts: Cluster) -> None:
    """And so is accounting known to be on."""
    project.edit(PROFILE, "  # slurm_account: mine", "  slurm_account: theirs")
    done = project.snakemake("--profile", "profiles/slurm", TARGET)
    assert done.returncode == 1 and "The given account theirs appears to be invalid" in done.stdout + done.stderr
