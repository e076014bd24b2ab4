"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest

from metahp_searchers import tune_run


@pytest.fixture(autouse=True)
def no_request_left() -> Iterator[None]:
    """A searcher that no Tune run ever used must not bring its callback into the next test's run."""
    yield
    tune_run.callback_made()
