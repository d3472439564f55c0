"""Connections to the other nodes: opening, greeting, losing them.

    opener    H {protocol, cluster, node, generation, nonce a, clock}        ->
              <- I {protocol, cluster, node, generation, nonce b, clock, proof of the secret for a}   acceptor
              C {proof for b}                                                ->
              <- J                                        from here on both sides send other frames
              <- E {error}       instead of I or J: why not, in a sentence; then the connection closes

A proof is HMAC-SHA256 over both nonces and ids under `cluster-secret`, so the secret itself is never
sent and neither side can pass on the other's proof. Whoever does not know the secret learns nothing.

A node opens one connection to every member, and tries again when it breaks: at once, then at most
once a second. A refused connection is evidence that the process is gone, so nothing is routed to it
from that moment on (Membership.note_refused).

Where packets vanish nothing is ever refused, and TCP would go on for minutes, at intervals that double: too
long while they vanish, since requests wait for answers that cannot come, and too long afterwards. So a
connection ends when the same bytes were sent RETRANSMITS_MAX times more without a word from the other
machine (about 3 s), and one that is being opened is begun anew after CONNECT_MS_MAX. A process that is frozen
or busy loses no connection by that: its kernel acknowledges.
"""

import hmac
import json
import logging
import secrets
import socket
import time

from cluster.wire import BadFrame, frame_of

log = logging.getLogger("resp_kv.peers")

PROTOCOL = 1
RETRY_MS_MIN, RETRY_MS_MAX = 50, 1000
CONNECT_MS_MAX = 2000
GREETING_MS_MAX = 5000
RETRANSMITS_MAX = 4
TCP_INFO_RETRANSMITS = 2         # where it stands in linux/tcp.h, struct tcp_info
GREETINGS_MAX = 1024             # incoming connections that have not proved who they are
CLOCKS_APART_MS = 500
COMPLAINTS_MAX = 1000            # remembered, so that each is logged once


class Peers:
    """`shell` is the ClusterShell; `driver` owns the sockets."""

    def __init__(self, shell, driver, loop, secret):
        self.shell, self.driver, self.loop = shell, driver, loop
        self.secret = secret.encode()
        self.outgoing = {}           # (host, bus port) -> Link
        self.retries = {}            # (host, bus port) -> [next try ms, wait ms]
        self.incoming = {}           # Link -> when it came, ms
        self.listeners = []
        self.complaints = {}

    # -- listening ----------------------------------------------------------------------------

    def listen(self, host, port, backlog):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(backlog)
        sock.setblocking(False)
        self.listeners.append(sock)
        self.loop.add_reader(sock.fileno(), self.accept, sock)

    def accept(self, listener):
        while True:
            try:
                sock, address = listener.accept()
            except OSError:
                return
            waiting = sum(not link.ready for link in self.incoming)
            if waiting >= GREETINGS_MAX:
                sock.close()
                continue
            prepare(sock)
            link = self.shell.new_link(False, tuple(address[:2]))
            link.state = Greeting()
            self.incoming[link] = self.now_ms
            self.driver.add_link(link, sock)

    def stop(self):
        for listener in self.listeners:
            self.loop.remove_reader(listener.fileno())
            listener.close()
        self.listeners.clear()
        self.close_all("this node stops")

    def close_all(self, reason):
        """Every connection; they are opened again while this node runs."""
        for link in [*self.outgoing.values(), *self.incoming]:
            self.driver.close_link(link, reason)
        self.retries.clear()

    # -- opening ------------------------------------------------------------------------------

    @property
    def now_ms(self):
        return time.monotonic_ns() // 1_000_000

    def link_to(self, address):
        """The connection to an address, opened if it is time to; None: not now."""
        link = self.outgoing.get(address)
        if link is not None:
            return link
        due = self.retries.get(address)
        if due is not None and self.now_ms < due[0]:
            return None
        return self.open(address)

    def open_now(self, address):
        """Whoever is there has just called: no need to wait for the next try."""
        self.retries.pop(address, None)
        self.link_to(address)

    def open(self, address):
        host, port = address
        self.put_off(address)
        try:
            numeric(host)
        except OSError:
            self.shell.start(self.resolve(address))
            return None
        return self.connect(address, host, port)

    async def resolve(self, address):
        """The host is a name."""
        try:
            found = await self.loop.getaddrinfo(*address, type=socket.SOCK_STREAM)
        except OSError as error:
            self.complain(address, f"cannot resolve {address[0]}: {error.strerror or error}")
            return
        if address not in self.outgoing:
            self.connect(address, *found[0][4][:2])

    def connect(self, address, host, port):
        sock = socket.socket(numeric(host), socket.SOCK_STREAM)
        prepare(sock)
        link = self.shell.new_link(True, address)
        link.connecting, link.state = True, Greeting()
        link.state.began_ms = self.now_ms
        self.outgoing[address] = link
        try:
            sock.connect((host, port))
        except BlockingIOError:
            pass
        except OSError as error:
            sock.close()
            link.closed = True
            self.refused(link, error)
            return None
        self.driver.add_link(link, sock)
        return link

    def has_called(self, member):
        """Whether a member has a connection to this node, too: it can ask others, and be asked."""
        return any(link.member == member and link.ready for link in self.incoming)

    def put_off(self, address):
        """When the next try may be: each one waits longer, up to a second."""
        wait_ms = self.retries.get(address, (0, 0))[1]
        wait_ms = min(RETRY_MS_MAX, max(RETRY_MS_MIN, 2 * wait_ms))
        self.retries[address] = (self.now_ms + wait_ms, wait_ms)

    def connected(self, link, sock):
        """The socket of a connection being opened has something to tell."""
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.driver.close_link(link, "connecting failed")
            self.refused(link, OSError(error, "connecting failed"))
            return
        link.connecting = False
        self.greet(link, "H", self.own_greeting(link.state))

    def refused(self, link, error):
        self.outgoing.pop(link.address, None)
        if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", 0) == 111:
            self.shell.address_refused(link.address)

    def lost(self, link, reason):
        """A connection has ended, whatever the cause."""
        self.incoming.pop(link, None)
        if link.outgoing and self.outgoing.get(link.address) is link:
            del self.outgoing[link.address]
            if link.member >= 0:
                self.retries.pop(link.address, None)
        self.shell.link_lost(link, reason)

    def tick(self):
        """Ten times a second: connections to every member; none that greets for ever, or is dead."""
        for address in self.shell.addresses():
            self.link_to(address)
        for link in [*self.outgoing.values(), *self.incoming]:
            if link.ready:
                if self.retransmits(link) >= RETRANSMITS_MAX:
                    self.driver.close_link(link, "nothing sent arrives there")
            elif self.now_ms - link.state.began_ms > (
                    CONNECT_MS_MAX if link.connecting else GREETING_MS_MAX):
                self.driver.close_link(link, "the handshake took too long")

    def retransmits(self, link):
        """How often the kernel has sent the same bytes again, in vain."""
        sock = self.driver.socket_of(link)
        return 0 if sock is None else sock.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_RETRANSMITS + 1)[TCP_INFO_RETRANSMITS]

    # -- the handshake ------------------------------------------------------------------------

    def greet(self, link, kind, words):
        self.driver.send_link(link, frame_of(kind, body=json.dumps(words).encode()))
        self.driver.flush_now()

    def own_greeting(self, state):
        return {"protocol": PROTOCOL, "cluster": self.shell.cluster_id, "node": self.shell.node_id,
                "generation": self.shell.generation, "nonce": state.nonce,
                "clock_ms": self.shell.now_ms}

    def greeted(self, link, kind, body):
        """A frame of the handshake. Raises BadFrame."""
        try:
            words = json.loads(body or b"{}")
            if not isinstance(words, dict):
                raise ValueError("not an object")
            self.take_greeting(link, kind, words)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BadFrame(f"a damaged greeting: {error}") from None

    def take_greeting(self, link, kind, words):
        expected = {"": "H", "I": "C"}.get(link.state.said) if not link.outgoing else \
            {"H": "I", "C": "J"}.get(link.state.said or "H")
        if kind == "E":
            self.refused_by(link, str(words["error"]))
        elif kind != expected:
            raise BadFrame(f"greeting {kind} out of turn")
        elif kind == "H":
            self.take_hello(link, words)
        elif kind == "I":
            self.take_answer(link, words)
        elif kind == "C":
            self.take_proof(link, words)
        else:
            self.ready(link)

    def take_hello(self, link, words):
        complaint = self.complaint_about(words)
        if complaint is not None:
            self.refuse(link, complaint)
            return
        self.note_other(link, words)
        link.state.said = "I"
        answer = self.own_greeting(link.state)
        answer["proof"] = self.proof(b"accept", link, self.shell.node_id)
        self.greet(link, "I", answer)

    def take_answer(self, link, words):
        complaint = self.complaint_about(words)
        if complaint is not None:
            self.complain(link.address, complaint)
            self.driver.close_link(link, complaint)
            return
        self.note_other(link, words)
        if not hmac.compare_digest(str(words["proof"]),
                                   self.proof(b"accept", link, link.node_id)):
            self.complain(link.address, "the cluster-secret differs")
            self.driver.close_link(link, "the cluster-secret differs")
            return
        link.state.said = "C"
        self.greet(link, "C", {"proof": self.proof(b"open", link, self.shell.node_id)})

    def take_proof(self, link, words):
        if not hmac.compare_digest(str(words["proof"]), self.proof(b"open", link, link.node_id)):
            self.refuse(link, "the cluster-secret differs")
            return
        self.greet(link, "J", {})
        self.ready(link)

    def ready(self, link):
        link.ready = True
        self.shell.heard_clock(link, link.state.clock_ms)
        if link.outgoing:
            self.retries.pop(link.address, None)
            self.complaints.pop(link.address, None)
        self.shell.link_ready(link)

    def note_other(self, link, words):
        state = link.state
        link.node_id, state.generation = str(words["node"]), int(words["generation"])
        state.other_nonce, state.cluster = str(words["nonce"]), str(words.get("cluster", ""))
        state.clock_ms = int(words["clock_ms"])
        apart_ms = state.clock_ms - self.shell.now_ms
        if abs(apart_ms) > CLOCKS_APART_MS:
            self.complain(link.node_id, f"its clock is {apart_ms} ms off ours; writes may be refused "
                                        "(directive max-clock-drift)")

    def complaint_about(self, words):
        """Why the other side is not one of us, or None."""
        if words.get("protocol") != PROTOCOL:
            return (f"bus protocol {words.get('protocol')} is spoken there, {PROTOCOL} here: the "
                    "versions of resp-kv do not fit together")
        mine, theirs = self.shell.cluster_id, words.get("cluster", "")
        if mine and theirs and mine != theirs:
            return f"this node belongs to cluster {mine}, the other one to {theirs}"
        if words.get("node") == self.shell.node_id:
            return f"both nodes have the id {self.shell.node_id}: was a data directory copied?"
        return None

    def proof(self, role, link, prover):
        state = link.state
        first, second = (state.nonce, state.other_nonce) if link.outgoing else (
            state.other_nonce, state.nonce)
        text = b"|".join((role, first.encode(), second.encode(), prover.encode()))
        return hmac.digest(self.secret, text, "sha256").hex()

    def refuse(self, link, complaint):
        self.complain(link.address[0], complaint)        # (its port is another one each time)
        self.greet(link, "E", {"error": complaint})
        self.driver.close_link(link, complaint)

    def refused_by(self, link, sentence):
        self.complain(link.address, f"refuses this node: {sentence}")
        self.driver.close_link(link, sentence)

    def complain(self, about, sentence):
        """Once for each cause. `about` is an address or a node id."""
        if self.complaints.get(about) == sentence:
            return
        if len(self.complaints) >= COMPLAINTS_MAX:
            self.complaints.clear()
        self.complaints[about] = sentence
        place = about if isinstance(about, str) else f"{about[0]}:{about[1]}"
        log.warning("node at %s: %s", place, printable(sentence))

    # -- gossip -------------------------------------------------------------------------------

    def send_gossip(self, address, payload):
        """False: there is no connection to that address now."""
        link = self.link_to(address)
        if link is None or not link.ready:
            return False
        sent = self.driver.send_link(link, self.gossip_frame(payload))
        self.driver.flush_now()
        return sent

    def gossiped(self, link, clock_ms, payload):
        if clock_ms:
            self.shell.heard_clock(link, clock_ms)
        reply = self.shell.take_gossip(link, payload)
        if reply is not None and not link.closed:
            self.driver.send_link(link, self.gossip_frame(reply))

    def gossip_frame(self, payload):
        return frame_of("G", sent_hlc=self.shell.now_ms << 16, body=payload)


class Greeting:
    """How far the handshake of one connection is."""

    def __init__(self):
        self.nonce, self.other_nonce = secrets.token_hex(16), ""
        self.said, self.generation, self.cluster, self.clock_ms = "", 0, "", 0
        self.began_ms = time.monotonic_ns() // 1_000_000


def printable(sentence):
    """What another process says, on one line of the log."""
    return "".join([letter if letter.isprintable() else "?" for letter in sentence[:500]])


def prepare(sock):
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)


def numeric(host):
    """The family of a numeric address. Raises OSError for a name."""
    try:
        socket.inet_pton(socket.AF_INET6, host)
        return socket.AF_INET6
    except OSError:
        socket.inet_pton(socket.AF_INET, host)
        return socket.AF_INET
