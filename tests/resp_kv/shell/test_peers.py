"""The handshake between two nodes whose links are joined by hand."""

import json
import logging
import time

import pytest

from cluster.wire import BadFrame, frame_of, split_frame
from resp_kv.shell.link import Link
from resp_kv.shell.peers import COMPLAINTS_MAX, CONNECT_MS_MAX, Greeting, Peers, printable


class Shell:
    def __init__(self, node_id, cluster_id="", generation=7):
        self.node_id, self.cluster_id, self.generation = node_id, cluster_id, generation
        self.ready, self.lost, self.gossip, self.clocks = [], [], [], []
        self.now_ms = time.time_ns() // 1_000_000

    def heard_clock(self, link, clock_ms):
        self.clocks.append((link.node_id, clock_ms))

    def link_ready(self, link):
        self.ready.append(link.node_id)

    def link_lost(self, link, reason):
        self.lost.append(reason)

    def take_gossip(self, link, payload):
        self.gossip.append(payload)
        return b"answer to " + payload


class Driver:
    def __init__(self):
        self.sent, self.peers = [], None

    def send_link(self, link, frame):
        self.sent.append(frame)
        return True

    def flush_now(self):
        pass

    def close_link(self, link, reason=""):
        if not link.closed:
            link.closed = True
            self.peers.lost(link, reason)


class Side:
    """One node and its end of the connection."""

    def __init__(self, outgoing, node_id, secret="secret", **shell):
        self.shell, self.driver = Shell(node_id, **shell), Driver()
        self.peers = self.driver.peers = Peers(self.shell, self.driver, None, secret)
        self.link = Link(self.peers, outgoing, ("10.0.0.1", 17001))
        self.link.state = Greeting()
        if outgoing:
            self.peers.outgoing[self.link.address] = self.link
        else:
            self.peers.incoming[self.link] = 0

    def greet(self):
        self.peers.greet(self.link, "H", self.peers.own_greeting(self.link.state))


def pair(**acceptor):
    return Side(True, "a" * 40), Side(False, acceptor.pop("node_id", "b" * 40), **acceptor)


def talk(opener, acceptor):
    """Carry frames to and fro; the kinds that were sent."""
    kinds, sides = "", [opener, acceptor]
    opener.greet()
    while any(side.driver.sent for side in sides):
        for side, other in (sides, sides[::-1]):
            sent, side.driver.sent = side.driver.sent, []
            for frame in sent:
                kinds += split_frame(frame)[1]
                if not other.link.closed:
                    other.link.feed(frame)
    return kinds


def test_two_who_know_the_secret():
    opener, acceptor = pair()
    assert talk(opener, acceptor) == "HICJ"
    assert opener.link.ready and acceptor.link.ready
    assert (opener.shell.ready, acceptor.shell.ready) == (["b" * 40], ["a" * 40])
    assert acceptor.link.state.generation == 7


class Socket:
    """The kernel of a connection that has sent the same bytes again so many times."""

    def __init__(self, retransmits):
        self.retransmits = retransmits

    def getsockopt(self, level, option, size):
        return bytes([1, 0, self.retransmits, 0])[:size]


@pytest.mark.parametrize(("retransmits", "closed"), [(0, False), (3, False), (4, True)])
def test_a_connection_ends_on_which_nothing_arrives(retransmits, closed):
    opener, acceptor = pair()
    talk(opener, acceptor)
    for side in (opener, acceptor):
        side.shell.addresses = list
        side.driver.socket_of = lambda link: Socket(retransmits)
        side.peers.tick()
        assert side.link.closed == closed


def test_one_that_is_being_opened_is_begun_anew():
    opener, _ = pair()
    opener.shell.addresses = list
    opener.link.connecting = True
    opener.peers.tick()
    assert not opener.link.closed
    opener.link.state.began_ms -= CONNECT_MS_MAX + 1
    opener.peers.tick()
    assert opener.link.closed


def test_an_empty_secret_is_one_too():
    opener, acceptor = Side(True, "a" * 40, ""), Side(False, "b" * 40, "")
    assert talk(opener, acceptor) == "HICJ"


def test_the_opener_notices_another_secret_and_tells_nothing(caplog):
    opener, acceptor = pair(secret="other")
    assert talk(opener, acceptor) == "HI"
    assert opener.link.closed and not acceptor.link.ready
    assert opener.shell.lost == ["the cluster-secret differs"]
    assert "node at 10.0.0.1:17001: the cluster-secret differs" in caplog.text


def test_the_acceptor_notices_it_as_well(caplog):
    opener, acceptor = pair()
    opener.greet()
    acceptor.link.feed(opener.driver.sent.pop())
    acceptor.link.feed(frame_of("C", body=b'{"proof": "%s"}' % (b"0" * 64)))
    assert acceptor.link.closed and not acceptor.shell.ready
    kind, body = split_frame(acceptor.driver.sent[-1])[1::3]
    assert (kind, json.loads(body)) == ("E", {"error": "the cluster-secret differs"})
    assert "node at 10.0.0.1: the cluster-secret differs" in caplog.text


def test_a_proof_is_good_for_one_connection_and_one_side():
    opener, acceptor = pair()
    opener.greet()
    acceptor.link.feed(opener.driver.sent.pop())
    answer = acceptor.driver.sent.pop()
    again, _ = pair()                       # replayed to another connection, which has another nonce
    again.link.state.said = ""
    again.link.feed(answer)
    assert again.link.closed
    proof = json.loads(split_frame(answer)[4])["proof"]      # the acceptor's own, sent back to it
    acceptor.link.feed(frame_of("C", body=json.dumps({"proof": proof}).encode()))
    assert acceptor.link.closed and not acceptor.shell.ready


@pytest.mark.parametrize(("mine", "theirs", "kinds"), [
    ("c" * 40, "c" * 40, "HICJ"), ("c" * 40, "", "HICJ"), ("", "c" * 40, "HICJ"),
    ("c" * 40, "d" * 40, "HE")])
def test_clusters_that_fit_together(mine, theirs, kinds, caplog):
    opener = Side(True, "a" * 40, cluster_id=mine)
    acceptor = Side(False, "b" * 40, cluster_id=theirs)
    assert talk(opener, acceptor) == kinds
    if kinds == "HE":
        sentence = f"this node belongs to cluster {theirs}, the other one to {mine}"
        assert f"refuses this node: {sentence}" in caplog.text
        assert opener.link.closed and acceptor.link.closed


def test_two_nodes_with_one_id(caplog):
    opener, acceptor = pair(node_id="a" * 40)
    assert talk(opener, acceptor) == "HE"
    assert "was a data directory copied?" in caplog.text


def test_another_version_of_the_protocol(caplog):
    opener, acceptor = pair()
    words = {**opener.peers.own_greeting(opener.link.state), "protocol": 2}
    acceptor.link.feed(frame_of("H", body=json.dumps(words).encode()))
    assert acceptor.link.closed
    assert "bus protocol 2 is spoken there, 1 here" in caplog.text


def test_a_clock_that_is_off_is_worth_a_line(caplog, monkeypatch):
    opener, acceptor = pair()
    words = {**opener.peers.own_greeting(opener.link.state)}
    words["clock_ms"] = time.time_ns() // 1_000_000 + 60_000
    acceptor.link.feed(frame_of("H", body=json.dumps(words).encode()))
    assert "directive max-clock-drift" in caplog.text and not acceptor.link.closed


@pytest.mark.parametrize("body", [
    b"", b"[]", b"7", b"{", b"\xff", b"[" * 60_000, b"{}", b'{"protocol": 1}',
    b'{"protocol": 1, "node": "x", "generation": "x", "nonce": "", "clock_ms": 0}',
    b'{"protocol": 1, "node": "x", "generation": 1e999, "nonce": "", "clock_ms": 0}',
    b'{"protocol": 1, "node": "x", "generation": 1, "nonce": "", "clock_ms": null}'], ids=range(11))
def test_a_damaged_greeting(body):
    _, acceptor = pair()
    try:
        acceptor.link.feed(frame_of("H", body=body))
    except BadFrame:
        return
    assert acceptor.link.closed              # it was told that it speaks another protocol


@pytest.mark.parametrize("kind", "ICJGWEX")
def test_kinds_out_of_turn(kind):
    _, acceptor = pair()
    if kind == "E":
        acceptor.link.feed(frame_of(kind, body=b'{"error": "no"}'))
        assert acceptor.link.closed
        return
    with pytest.raises(BadFrame):
        acceptor.link.feed(frame_of(kind, body=b"{}"))
    assert not acceptor.shell.ready


def test_a_second_greeting_is_out_of_turn():
    opener, acceptor = pair()
    talk(opener, acceptor)
    with pytest.raises(BadFrame, match="greeting H out of turn"):
        opener.greet()
        acceptor.link.feed(opener.driver.sent.pop())


def test_gossip_is_taken_and_answered_after_the_handshake():
    opener, acceptor = pair()
    talk(opener, acceptor)
    acceptor.link.feed(frame_of("G", body=b"news"))
    assert acceptor.shell.gossip == [b"news"]
    assert split_frame(acceptor.driver.sent.pop())[4] == b"answer to news"


def test_a_stranger_may_not_send_much():
    _, acceptor = pair()
    with pytest.raises(BadFrame, match="a frame is too long"):
        acceptor.link.feed(frame_of("H", body=b"{" + b" " * 70_000)[:66_000])


def test_the_same_complaint_is_made_once(caplog):
    caplog.set_level(logging.WARNING)
    opener, _ = pair()
    for _ in range(3):
        opener.peers.complain(("10.0.0.9", 1), "it is late")
    assert caplog.text.count("it is late") == 1
    opener.peers.complain(("10.0.0.9", 1), "it is early")
    opener.peers.complain(("10.0.0.9", 1), "it is late")
    assert caplog.text.count("it is late") == 2


def test_complaints_are_forgotten_before_there_are_too_many():
    opener, _ = pair()
    for number in range(3 * COMPLAINTS_MAX):
        opener.peers.complain(f"10.0.0.{number}", "no")
    assert len(opener.peers.complaints) <= COMPLAINTS_MAX


def test_strangers_cannot_write_lines_of_the_log():
    assert printable("it\nis\x1b[1m \x00late") == "it?is?[1m ?late"
    assert len(printable("x" * 100_000)) == 500


def test_retries_wait_longer_and_longer():
    opener, _ = pair()
    waits = []
    for _ in range(8):
        opener.peers.put_off("somewhere")
        waits.append(opener.peers.retries["somewhere"][1])
    assert waits == [50, 100, 200, 400, 800, 1000, 1000, 1000]
