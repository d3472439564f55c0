import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resp_kv.errors import CommandError
from resp_kv.resp.values import NO_REPLY, NULL_ARRAY, OK, SetOf, Simple, Verbatim
from resp_kv.resp.writer import ReplyBuffer, double_text


def written(value, resp=2):
    buffer = ReplyBuffer()
    buffer.resp3 = resp == 3
    buffer.write(value)
    return buffer.take()


@pytest.mark.parametrize(("value", "resp2", "resp3"), [
    (b"a\r\nb", b"$4\r\na\r\nb\r\n", None),
    (b"", b"$0\r\n\r\n", None),
    ("ключ", b"$8\r\n" + "ключ".encode() + b"\r\n", None),
    (None, b"$-1\r\n", b"_\r\n"),
    (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
    (NO_REPLY, b"", None),
    (OK, b"+OK\r\n", None),
    (Simple("a\r\nb"), b"+a  b\r\n", None),
    (0, b":0\r\n", None),
    (-1, b":-1\r\n", None),
    (2**63 - 1, b":9223372036854775807\r\n", None),
    (-2**63, b":-9223372036854775808\r\n", None),
    (True, b":1\r\n", b"#t\r\n"),
    (False, b":0\r\n", b"#f\r\n"),
    ([], b"*0\r\n", None),
    ([b"a", (1, None)], b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n",
     b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n"),
    ({"a": 1, "b": [2]}, b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n",
     b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n"),
    ({}, b"*0\r\n", b"%0\r\n"),
    ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    (SetOf([b"b", b"a"]), b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", b"~2\r\n$1\r\nb\r\n$1\r\na\r\n"),
    (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
    (3.0, b"$1\r\n3\r\n", b",3\r\n"),
    (Verbatim("text"), b"$4\r\ntext\r\n", b"=8\r\ntxt:text\r\n"),
    (Verbatim(b"# a\n", "mkd"), b"$4\r\n# a\n\r\n", b"=8\r\nmkd:# a\n\r\n"),
    ([CommandError("ERR a\nb"), 1], b"*2\r\n-ERR a b\r\n:1\r\n", None),
])
def test_every_kind_of_value(value, resp2, resp3):
    assert written(value) == resp2
    assert written(value, 3) == (resp2 if resp3 is None else resp3)


def test_a_value_without_a_form_is_our_bug():
    with pytest.raises(TypeError, match="no RESP form for object"):
        written(object())


def test_an_integer_beyond_64_bit_is_our_bug():
    with pytest.raises(OverflowError):
        written(2**63)


def test_error_lines_stay_one_line():
    buffer = ReplyBuffer()
    buffer.error("ERR unknown command '\r\n+OK\r\n'")
    assert buffer.take() == b"-ERR unknown command '  +OK  '\r\n"
    buffer.error("ERR \udcff")
    assert buffer.take() == b"-ERR \xff\r\n"


@pytest.mark.parametrize(("number", "text"), [
    (0.0, b"0"), (-0.0, b"0"), (0.1, b"0.1"), (-2.5, b"-2.5"), (1e16, b"10000000000000000"),
    (1e300, b"1e+300"), (float("inf"), b"inf"), (float("-inf"), b"-inf"), (float("nan"), b"nan"),
])
def test_doubles(number, text):
    assert double_text(number) in (text, b"-" + text if number == 0 else text)


def test_the_buffer_grows_and_starts_over():
    buffer = ReplyBuffer()
    for size in (10, 1000, 100_000, 5):
        buffer.write(b"x" * size)
        head = b"$%d\r\n" % size
        assert buffer.unsent_bytes == len(head) + size + 2
        assert buffer.take() == head + b"x" * size + b"\r\n"
        assert buffer.unsent_bytes == 0


values = st.recursive(
    st.none() | st.binary(max_size=40) | st.integers(-2**63, 2**63 - 1) | st.booleans(),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.binary(max_size=5), inner, max_size=4),
    max_leaves=20)


@given(values)
def test_another_implementation_reads_it_back(value):
    reader = hiredis.Reader()
    reader.feed(written(value, 3) + b"+END\r\n")
    assert reader.gets() == value
    assert reader.gets() == b"END"


@given(st.lists(values, max_size=5))
def test_resp2_keeps_the_frame(many):
    reader = hiredis.Reader()
    reader.feed(b"".join(written(value) for value in many) + b"+END\r\n")
    replies = [reader.gets() for _ in range(len(many) + 1)]
    assert replies[-1] == b"END" and reader.gets() is False
