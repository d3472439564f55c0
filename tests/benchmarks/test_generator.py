"""generator.c says what was answered: it is talked to by a server that answers by rote."""

import binascii
import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "benchmarks" / "cluster" / "generator.c"
COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n(SET|GET|WAIT)\r\n\$\d+\r\n([^\r]*)\r\n(?:\$(\d+)\r\n)?")
VALUE_BYTES = 8
SLOTS = 16384


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("generator") / "generator"
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Wno-sign-compare", "-Werror", "-o", path,
                    SOURCE], check=True)
    return path


class Rote:
    """Answers each command with `answers[name]`, and keeps the (name, argument) pairs it was sent."""

    def __init__(self, **answers):
        self.answers = {name.encode(): answer for name, answer in answers.items()}
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock, contextlib.suppress(ConnectionError):     # it may leave in the middle
            pending = b""
            while part := sock.recv(65536):
                pending += part
                while (match := COMMAND.match(pending)) and self.is_whole(match, pending):
                    self.seen.append((match[1], match[2]))
                    pending = pending[self.end(match):]
                    sock.sendall(self.answers[match[1]])

    def end(self, match):
        return match.end() + (int(match[3]) + 2 if match[3] and match[1] != b"GET" else 0)

    def is_whole(self, match, pending):
        return self.end(match) <= len(pending) and (match[3] or match[1] == b"GET")

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.listener.close()


def run(program, mode, *words, stdin=b""):
    return subprocess.run([program, mode, "-d", str(VALUE_BYTES), "-c", "3", *map(str, words)],
                          input=stdin, capture_output=True, timeout=60)


def found(program, mode, *words, stdin=b""):
    done = run(program, mode, *words, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_operations_are_counted_whatever_the_pipeline(program):
    with Rote(SET=b"+OK\r\n") as server:
        result = found(program, "set", "-n", 100, "-P", 7, server.port)
        assert (result["operations"], result["errors"]) == (100, 0)
        assert len(server.seen) == 100
        assert all(re.fullmatch(rb"key:\d{12}", key) for _, key in server.seen)


def test_each_set_is_followed_by_its_wait(program):
    with Rote(SET=b"+OK\r\n", WAIT=b":2\r\n") as server:
        assert found(program, "set-wait", "-n", 50, "-P", 4, server.port)["operations"] == 50
        assert [name for name, _ in server.seen].count(b"WAIT") == 50


def test_one_wait_stands_for_a_whole_pipeline(program):
    with Rote(SET=b"+OK\r\n", WAIT=b":1\r\n") as server:
        assert found(program, "sets-wait", "-n", 50, "-P", 10, server.port)["operations"] == 50
        names = [name for name, _ in server.seen]
        assert (names.count(b"SET"), names.count(b"WAIT")) == (50, 5)


def test_a_wait_that_no_replica_confirmed_is_an_error(program):
    with Rote(SET=b"+OK\r\n", WAIT=b":0\r\n") as server:
        assert found(program, "set-wait", "-n", 9, server.port)["errors"] == 9


def test_error_replies_and_misses_are_counted(program):
    with Rote(SET=b"-NOQUORUM 1 of 2\r\n", GET=b"$-1\r\n") as server:
        result = found(program, "set", "-n", 10, server.port)
        assert (result["errors"], result["first_error"]) == (10, "-NOQUORUM 1 of 2")
        result = found(program, "get", "-n", 10, "-P", 3, server.port)
        assert (result["errors"], result["misses"]) == (0, 10)


def test_values_are_read_to_their_end(program):
    with Rote(GET=b"$8\r\n\r\n+OK\r\n:\r\n") as server:
        assert found(program, "get", "-n", 40, "-P", 8, server.port)["misses"] == 0


@pytest.mark.parametrize("answer", [b":1\r\n", b"*0\r\n", b"hello\r\n", b"$9\r\n123456789\r\n"])
def test_what_is_no_reply_ends_it_with_a_sentence(program, answer):
    with Rote(SET=answer) as server:
        done = run(program, "set", "-n", 10, server.port)
        assert done.returncode == 1 and done.stderr and not done.stdout


@pytest.mark.parametrize("words", [("-n", 0, 1), ("-P", 0, 1), ("-r", 0, 1), ("-c", 0, 1), ()])
def test_numbers_out_of_range_are_refused(program, words):
    done = run(program, "set", *words)
    assert done.returncode == 1 and b"out of range" in done.stderr


def test_a_smart_client_sends_each_key_to_its_owner(program):
    owners = bytes(slot % 2 for slot in range(SLOTS))
    with Rote(SET=b"+OK\r\n") as even, Rote(SET=b"+OK\r\n") as odd:
        found(program, "set", "-n", 200, "-P", 5, "-o", even.port, odd.port, stdin=owners)
        for server, place in ((even, 0), (odd, 1)):
            assert server.seen
            assert all(binascii.crc_hqx(key, 0) % SLOTS % 2 == place for _, key in server.seen)


def test_percentiles_grow_and_end_at_the_greatest(program):
    with Rote(SET=b"+OK\r\n") as server:
        latency = list(found(program, "set", "-n", 300, server.port)["latency_ms"].values())
        assert latency == sorted(latency) and latency[0] > 0
