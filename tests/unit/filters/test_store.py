"""How patterns are written: once, for filters, objectives and found concepts."""

from pathlib import Path

import numpy as np
import pytest

from convscope.filters.presets import settings_from
from convscope.filters.run import FilterPatterns
from convscope.filters.store import write_patterns
from convscope.storage import store


@pytest.mark.parametrize(("preset", "beyond"), [("textbook", "; values beyond are common"), ("sharp", "")])
def test_what_is_written_of_patterns(tmp_path: Path, preset: str, beyond: str) -> None:
    patterns = np.linspace(-1, 1, 2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
    patterns[0, 0, 0, 0] = 1e6  # beyond half precision
    found = FilterPatterns(
        np.arange(2), patterns, np.ones((2, 6), np.float32), np.array([False, True]), np.zeros(2, np.int64)
    )
    with store.create(tmp_path / "patterns.h5") as file:
        returned = write_patterns(file.create_group("a"), found, settings_from({"preset": preset}), "concept")
    with store.open_file(tmp_path / "patterns.h5") as file:
        group = file["a"]
        written = group["patterns"]
        assert written.dtype == np.float16 and written.chunks == (1, 4, 4, 3)
        assert written.attrs["range"] == "black is -1, white is 1" + beyond
        np.testing.assert_array_equal(written[()], returned)
        assert returned[0, 0, 0, 0] == np.float16(6e4)
        np.testing.assert_allclose(returned[1], patterns[1], atol=1e-3)
        assert group["objective"].shape == (2, 6) and group["dead"][()].tolist() == [False, True]
        assert [dimension.label for dimension in written.dims] == ["concept", "height", "width", "colour"]
        assert group["objective"].dims[0].label == group["dead"].dims[0].label == "concept"
