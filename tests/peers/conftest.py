"""What the comparisons share. Where the peers are not installed nothing is collected, and pytest says that no test ran."""

from importlib.util import find_spec
from typing import Any

import pytest

PEERS = ("captum", "torch", "tf_keras_vis", "xplique", "shap", "lime")
collect_ignore_glob = [] if all(find_spec(peer) for peer in PEERS) else ["test_*.py"]

if not collect_ignore_glob:
    import numpy as np

    from tests.peers.figures import Figures
    from tests.peers.networks import Pair, pair

    _FIGURES = Figures()

    @pytest.fixture(params=["gap", "flat"])
    def net(request: pytest.FixtureRequest) -> Pair:
        """The small network twice, with global average pooling and with two dense layers behind a flatten."""
        return pair(request.param)

    @pytest.fixture
    def flat() -> Pair:
        """The one where Grad-CAM is not CAM."""
        return pair("flat")

    @pytest.fixture
    def images() -> np.ndarray:
        """(3, 32, 32, 3) float32 in model space, -1..1."""
        return np.random.default_rng(3).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)

    @pytest.fixture
    def targets() -> np.ndarray:
        """A class an image."""
        return np.array([2, 0, 1])

    @pytest.fixture
    def figures() -> Figures:
        """Where every comparison is written down (see `figures.Figures`)."""
        return _FIGURES

    def pytest_terminal_summary(terminalreporter: Any) -> None:
        """Print what was compared and how well it agreed."""
        if _FIGURES.rows:
            terminalreporter.section("agreement with peers")
            for line in _FIGURES.lines():
                terminalreporter.write_line(line)

    def pytest_configure(config: pytest.Config) -> None:
        """The peers' own warnings are theirs: hooks that captum sets, names that older versions of the libraries had."""
        for place in ("captum", "torch", "tf_keras_vis", "xplique", "keras", "shap", "lime", "tensorflow"):
            config.addinivalue_line("filterwarnings", rf"ignore:::{place}.*")
