import pytest
import torch

from objectives.pairwise.ranks import Ranks


@pytest.mark.parametrize(
    ("passed", "close", "matters"),
    [
        ([0, 1, 0], 16, False),
        ([0, 1, 0], 1, True),  # rank 2 or 3, of three that count
        ([1, 1, 0], 1, True),  # 3 or 4
        ([2, 1, 0], 1, False),  # 4 or 5: beyond MAP@R, and not the nearest
        ([15, 0, 0], 0, True),  # Recall@1 to @16 hang on the nearest
        ([0, 0, 40], 2, True),
        ([0, 1, 40], 2, False),
    ],
)
def test_what_float32_leaves_open_matters_where_a_metric_hangs_on_it(
    passed: list[int], close: int, matters: bool
) -> None:
    """Of three samples the second has three positives, of which the `close` one has a near tie."""
    ranks = Ranks(
        similarity=torch.tensor([0.9, 0.8, 0.7]),
        offsets=torch.tensor([0, 0, 3, 3]),
        tolerance=1e-6,
        first=torch.zeros(0, dtype=torch.int64),
        precision=torch.zeros(0, dtype=torch.float64),
    )
    ranks.passed.copy_(torch.tensor(passed))
    ranks.close[1] = close
    assert ranks.undecided().tolist() == ([1] if matters else [])
