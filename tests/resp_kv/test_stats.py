from resp_kv.stats import ERROR_CODES_MAX, Rate, Stats
from resp_kv.traffic import Traffic


class Writer:
    hits = misses = expired = 0


def test_a_rate_is_the_mean_of_the_last_samples():
    rate = Rate()
    for second in range(40):
        rate.sample(second * 100, second * 1000)
    assert rate.per_second == 100
    for second in range(40, 48):
        rate.sample(4000, second * 1000)        # nothing more comes in
    assert 0 < rate.per_second < 100
    for second in range(48, 60):
        rate.sample(4000, second * 1000)
    assert rate.per_second == 0


def test_a_clock_that_stands_or_goes_back_adds_no_sample():
    rate = Rate()
    for value, now_ms in ((0, 1000), (500, 1000), (900, 500)):
        rate.sample(value, now_ms)
    assert rate.per_second == 0


def test_reset_shows_zero_and_leaves_the_compiled_counters_alone():
    traffic = Traffic()
    stats = Stats(traffic, Writer())
    traffic.commands = 7
    stats.rejected_connections = 2
    stats.note_error("ERR")
    assert (stats.total_commands_processed, stats.errors) == (7, {"ERR": 1})
    stats.reset()
    traffic.commands += 1
    assert stats.total_commands_processed == 1
    assert (stats.rejected_connections, stats.errors, traffic.commands) == (0, {}, 8)


def test_error_codes_have_an_end():
    stats = Stats(Traffic(), Writer())
    for number in range(ERROR_CODES_MAX + 50):
        stats.note_error(f"CODE{number}")
    stats.note_error("CODE1")
    assert len(stats.errors) == ERROR_CODES_MAX
    assert stats.errors["CODE1"] == 2
