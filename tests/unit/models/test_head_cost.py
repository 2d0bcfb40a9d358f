"""What CAM's head costs: counts by hand, and a p-value in closed form."""

import numpy as np
import pytest

from convscope.models.head_cost import head_rows, mcnemar


@pytest.mark.parametrize(
    ("first", "second", "p"),
    # Of n coins: all on one side on either end, 2 / 2^n; 1 of 6, 2 (1 + 6) / 64; as many of either, 1.
    [(0, 0, 1.0), (0, 5, 2 / 32), (5, 0, 2 / 32), (1, 5, 14 / 64), (4, 4, 1.0)],
)
def test_mcnemar_is_a_count_of_coins(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)


def test_rows_count_what_each_head_alone_is_right_on() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    right, wrong = [0.9, 0.1], [0.2, 0.8]
    gap = np.array([right, wrong, wrong, wrong, wrong], np.float32)
    dense = np.array([wrong, wrong, wrong, wrong, right], np.float32)
    rows = head_rows(
        "test", labels, {"gap": gap, "dense": dense, "fine-tuned": gap}, {"gap": 3, "dense": 9, "fine-tuned": 50}
    )
    assert [(row.head, row.right, row.accuracy, row.alone_right, row.parameters) for row in rows] == [
        ("gap", 4, 0.8, 2, 3),
        ("dense", 2, 0.4, 0, 9),
        ("fine-tuned", 4, 0.8, None, 50),
    ]
    assert rows[0].p == rows[1].p == pytest.approx(2 / 4) and rows[2].p is None
    assert rows[0].loss == pytest.approx(-np.log([0.9, 0.2, 0.8, 0.8, 0.8]).mean(), rel=1e-6)
