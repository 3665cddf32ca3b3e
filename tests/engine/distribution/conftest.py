"""fixture      what it gives
forked_ranks    four ranks, three of them forked from this process
ranks           a group of 2, 3 and 4 of them, or of as many as `parametrize(..., indirect=True)` gives
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from forked_ranks import ForkedRanks


@pytest.fixture(scope="module")
def forked_ranks() -> Iterator[ForkedRanks]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    forked = ForkedRanks(4)
    yield forked
    forked.close()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=[2, 3, 4])
def ranks(request: pytest.FixtureRequest, forked_ranks: ForkedRanks) -> Iterator[ForkedRanks]:
    with forked_ranks.group(request.param):
        yield forked_ranks
