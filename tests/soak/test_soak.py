"""A soak run of a few seconds, and one of which it is known that something must be found."""

import pytest

from tests.soak.run import soak

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [18, 7], ids=["strict", "sloppy"])
def test_nothing_is_wrong_after_a_few_faults(seed):
    assert soak(8, seed) == []


def test_what_one_replica_says_is_found_to_be_too_little():
    """W=1 and R=1 promise nothing, and the judge must notice."""
    faults = soak(6, seed=18, level="ONE")
    assert any("overwritten" in fault or "gone" in fault for fault in faults)
