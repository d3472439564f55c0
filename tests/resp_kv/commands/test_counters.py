import pytest

NOT_INTEGER = "ERR value is not an integer or out of range"
OVERFLOW = "ERR increment or decrement would overflow"
MAX, MIN = 9223372036854775807, -9223372036854775808


def test_counting_up_and_down(rig):
    assert rig.run("INCR", "n") == 1
    assert rig.run("INCRBY", "n", 10) == 11
    assert rig.run("DECR", "n") == 10
    assert rig.run("DECRBY", "n", 15) == -5
    assert rig.run("INCRBY", "n", -1) == -6
    assert rig.run("DECRBY", "n", -6) == 0
    assert rig.run("GET", "n") == b"0"


def test_the_deadline_stays(rig):
    rig.run("SET", "n", 5, "EX", 100)
    rig.run("INCR", "n")
    rig.run("INCRBYFLOAT", "n", "0.5")
    assert rig.run("TTL", "n") == 100
    assert rig.run("GET", "n") == b"6.5"


@pytest.mark.parametrize("value", ["", " 1", "1 ", "+1", "01", "-0", "1.0", "a", "1e3",
                                   "9223372036854775808", "99999999999999999999999"])
def test_values_that_are_no_integers(rig, value):
    rig.run("SET", "n", value)
    for command in (("INCR", "n"), ("DECR", "n"), ("INCRBY", "n", 1), ("DECRBY", "n", 1)):
        assert str(rig.run(*command)) == NOT_INTEGER
    assert rig.run("GET", "n") == value.encode()


@pytest.mark.parametrize("step", ["", " 1", "1.5", "a", "9223372036854775808"])
def test_steps_that_are_no_integers(rig, step):
    assert str(rig.run("INCRBY", "n", step)) == NOT_INTEGER
    assert str(rig.run("DECRBY", "n", step)) == NOT_INTEGER
    assert rig.run("EXISTS", "n") == 0


def test_overflow(rig):
    rig.run("SET", "n", MAX)
    assert str(rig.run("INCR", "n")) == OVERFLOW
    assert str(rig.run("DECRBY", "n", -1)) == OVERFLOW
    rig.run("SET", "n", MIN)
    assert str(rig.run("DECR", "n")) == OVERFLOW
    assert str(rig.run("INCRBY", "n", -1)) == OVERFLOW
    assert rig.run("INCRBY", "n", MAX) == -1
    assert str(rig.run("DECRBY", "n", MIN)) == "ERR decrement would overflow"


@pytest.mark.parametrize(("value", "step", "total"), [
    ("0.1", "0.2", b"0.3"), ("10.50", "0.1", b"10.6"), ("5.0e3", "2.0e2", b"5200"),
    ("3", "-3", b"0"), ("-0.5", "0.5", b"0"), ("1", "1e-18", b"1"), ("0", "1e20", b"100000000000000000000"),
    ("0x10", "1", b"17"), ("3.0e3", "200", b"3200"), ("1.5", ".5", b"2")])
def test_incrbyfloat(rig, value, step, total):
    rig.run("SET", "n", value)
    assert rig.run("INCRBYFLOAT", "n", step) == total
    assert rig.run("GET", "n") == total


def test_incrbyfloat_starts_at_zero(rig):
    assert rig.run("INCRBYFLOAT", "n", "3.25") == b"3.25"


@pytest.mark.parametrize("step", ["", "a", " 1", "1 ", "nan", "1e5000", "1e-5000", b"1\x00"])
def test_incrbyfloat_by_no_number(rig, step):
    assert str(rig.run("INCRBYFLOAT", "n", step)) == "ERR value is not a valid float"
    rig.run("SET", "text", step)
    assert str(rig.run("INCRBYFLOAT", "text", "1")) == "ERR value is not a valid float"


def test_incrbyfloat_to_infinity(rig):
    for step in ("inf", "-inf", "+infinity"):
        assert str(rig.run("INCRBYFLOAT", "n", step)) == \
            "ERR increment would produce NaN or Infinity"
    rig.run("SET", "n", "1.1e4932")
    assert str(rig.run("INCRBYFLOAT", "n", "1.1e4932")) == \
        "ERR increment would produce NaN or Infinity"
