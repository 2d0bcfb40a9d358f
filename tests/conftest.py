"""What every test may use. The real model and photos are looked for beside the checkout, or where CONVSCOPE_SHARED says."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of the real model and photos; the test is skipped where it is missing."""
    folder = Path(os.environ.get("CONVSCOPE_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the real model and photos are not beside the checkout (CONVSCOPE_SHARED)")
    return folder
