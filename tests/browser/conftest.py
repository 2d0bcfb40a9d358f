"""A browser for the tests of this folder, which are skipped where there is none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chromium import CHROMIUM, FLAGS, watch


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (see requirements/test.in)"
    )
    if CHROMIUM is None:
        pytest.skip("no system Chromium (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test on a script error, a message box, or a file that does not load."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    opened = context.new_page()
    opened.wrong = watch(opened)
    yield opened
    context.close()
    assert opened.wrong == []
