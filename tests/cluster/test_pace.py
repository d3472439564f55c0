"""Background work: all that an idle node can do, a share of the requests beside clients."""

from cluster.pace import FULL, LEAST, SHARE, Pace


def done_in(pace, seconds, requests_a_second, size=1):
    """How many records go out in some seconds, one after the other as `spend` permits."""
    done, ready_ms = 0, 0.0
    for ms in range(0, seconds * 1000, 10):
        pace.refill(ms, requests_a_second * ms // 1000)
        while ready_ms <= ms:
            ready_ms = ms + pace.spend(size)
            done += size
    return done


def test_an_idle_node_works_at_full_speed():
    assert 0.8 * FULL * 5 < done_in(Pace(), 5, 0) < 1.1 * FULL * 5


def test_beside_clients_it_is_a_share_of_their_requests():
    load = 20_000
    done = done_in(Pace(), 60, load)
    assert done < 60 * (SHARE * load + LEAST) * 1.05 + FULL       # the first second learns
    assert done > 60 * SHARE * load * 0.8


def test_it_never_stands_still():
    assert done_in(Pace(), 10, 5_000) > 10 * LEAST / 2


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    pace = Pace()
    pace.refill(1000, 0)
    pace.refill(1000, 10**9)
    pace.refill(500, 10**9)
    assert pace.load == 0 and pace.spend(0) == 0
