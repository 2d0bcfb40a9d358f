"""A real browser for the tests of pages: where it is, how it is started, what must not happen on a page."""

import shutil
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for path in map(shutil.which, _NAMES) if path), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync",
]  # fmt: skip


def watch(page: Any) -> list[str]:
    """A list that fills with what goes wrong on a page: script errors, message boxes, files that do not load, the network."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: message.type in {"error", "warning"} and wrong.append(message.text))
    # Leaving a page gives up the pictures it was still loading; that is not a missing file.
    page.on("requestfailed", lambda r: r.failure == "net::ERR_ABORTED" or wrong.append(f"not loaded: {r.url}"))
    page.on("request", lambda request: request.url.startswith("file:") or wrong.append(f"network: {request.url}"))
    page.on("dialog", lambda box: (wrong.append("a script in a name ran"), box.dismiss()))
    return wrong
