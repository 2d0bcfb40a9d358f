"""What reruns after a change, by the table: of every kind of file and of a leaf of each stage; `make test-changes` does all of it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.changes.__main__ import faults
from tests.workflow.changes.files import FILES, FileChange
from tests.workflow.changes.table import LeafChange, leaf_changes
from tests.workflow.changes.workshop import Workshop, contents
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

LEAVES = {row.name: row for row in leaf_changes()}
SCHEDULED = (
    "datasets.path.masks", "datasets.path.splits", "datasets.archive.url", "image_sets.per_class", "image_sets.files",
    "image_sets.urls",     "models.file.preprocessing", "models.preset.preset (by name)", "models.application.weights (by name)",
    "activations.dtype", "filters.fast.steps", "filters.layers",
)  # fmt: skip
WHOLE = (
    LEAVES["filters.textbook.border"],
    pytest.param(next(row for row in FILES if row.name == "a picture of a folder: changed"), marks=pytest.mark.long),
)


@pytest.fixture(scope="module")
def shop(root: Path, tmp_path_factory: pytest.TempPathFactory, servers: Path) -> Workshop:
    return Workshop(root, tmp_path_factory.mktemp("changes") / "shop", servers)


@pytest.mark.parametrize(
    "row", [*(row for row in FILES if row.reruns), *(LEAVES[name] for name in SCHEDULED)], ids=lambda row: row.name
)
def test_a_change_schedules_what_depends_on_it(shop: Workshop, row: FileChange | LeafChange) -> None:
    assert shop.dry(row.study, row.edits, row.act) == row.reruns


@pytest.mark.parametrize("study", sorted({row.study for row in FILES if not row.reruns}))
def test_what_changes_nothing_schedules_nothing_all_of_it_at_once(shop: Workshop, study: str) -> None:
    acts = [row.act for row in FILES if row.study == study and not row.reruns]

    def all_of_them(project: Project) -> None:
        for act in acts:
            act(project)

    assert shop.dry(study, {}, all_of_them) == Counter()


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_a_study_that_goes_on_is_like_one_begun_anew(shop: Workshop, row: FileChange | LeafChange) -> None:
    _, wrong = faults(shop, row, dry=False)
    assert wrong == []


def test_preloaded_jobs_make_the_same_bytes(shop: Workshop, tmp_path: Path) -> None:
    shop.finished("layers")
    quickly = contents(shop.project)
    usual = Workshop(shop.sources, tmp_path / "shop")  # the same code, the usual Python
    usual.finished("layers")
    slowly = contents(usual.project)
    assert sorted(slowly) == sorted(quickly)
    assert [name for name in slowly if slowly[name] != quickly[name]] == []
    assert len(slowly) > 30
