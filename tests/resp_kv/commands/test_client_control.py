from tests.resp_kv.commands.replies import run_all


class Closer:
    """Stands for the host: notes which clients are closed."""

    def __init__(self, rig, monkeypatch):
        self.closed = []
        monkeypatch.setattr(rig.node.host, "close_client", self.close, raising=False)

    def close(self, client):
        self.closed.append(client.id)


def four_clients(rig):
    clients = [rig.client, *(rig.new_client() for _ in range(3))]
    for client in clients:
        client.connection.addr = f"10.0.0.{client.connection.id}:80"
    return clients


def test_kill_by_address(rig, monkeypatch):
    closer = Closer(rig, monkeypatch)
    four_clients(rig)
    assert rig.run("CLIENT", "KILL", "10.0.0.3:80") == b"OK"
    assert closer.closed == [3]


def test_kill_by_filters(rig, monkeypatch):
    closer = Closer(rig, monkeypatch)
    four_clients(rig)
    assert rig.run("CLIENT", "KILL", "ID", "2") == 1
    assert rig.run("CLIENT", "KILL", "ID", "2", "ADDR", "10.0.0.3:80") == 0
    assert rig.run("CLIENT", "KILL", "ID", "99") == 0
    assert rig.run("CLIENT", "KILL", "TYPE", "pubsub") == 0
    assert rig.run("CLIENT", "KILL", "LADDR", "127.0.0.1:6379", "USER", "default") == 3
    assert closer.closed == [2, 2, 3, 4]


def test_kill_spares_the_caller_unless_told(rig, monkeypatch):
    closer = Closer(rig, monkeypatch)
    assert rig.run("CLIENT", "KILL", "ID", "1") == 0
    assert rig.run("CLIENT", "KILL", "ID", "1", "SKIPME", "no") == 1
    assert rig.client.connection.closing
    assert closer.closed == []


def test_kill_oneself_by_address_answers_first(rig, monkeypatch):
    Closer(rig, monkeypatch)
    assert rig.run("CLIENT", "KILL", "127.0.0.1:5000") == b"OK"
    assert rig.client.connection.closing


def test_pause_write_lets_reads_through(rig):
    rig.run("SET", "a", "1")
    assert rig.run("CLIENT", "PAUSE", "1000", "WRITE") == b"OK"
    assert rig.run("GET", "a") == b"1"
    other = rig.new_client()
    assert other.send("SET", "a", "2") == b""
    assert other.connection.blocked
    assert rig.run("GET", "a") == b"1"
    rig.run("CLIENT", "UNPAUSE")
    other.connection.resume()
    assert other.connection.take_output() == b"+OK\r\n"


def test_pause_all(rig):
    other = rig.new_client()
    assert rig.run("CLIENT", "PAUSE", "1000") == b"OK"
    assert other.send("PING") == b""
    rig.node.unpause()
    other.connection.resume()
    assert other.connection.take_output() == b"+PONG\r\n"


def test_of_two_pauses_the_stricter_and_longer_wins(rig):
    node, start = rig.node, rig.node.now_ms
    node.pause(start + 1000, "write")
    node.pause(start + 500, "all")
    assert (node.pause_mode, node.pause_until_ms) == ("all", start + 1000)
    node.pause(start + 2000, "write")
    assert (node.pause_mode, node.pause_until_ms) == ("all", start + 2000)
    rig.advance(2000)
    node.pause(start + 2100, "write")       # the old one is over
    assert (node.pause_mode, node.pause_until_ms) == ("write", start + 2100)
    node.unpause()


def test_unblock(rig):
    assert run_all(rig, "CLIENT UNBLOCK 1", "CLIENT UNBLOCK 99 ERROR") == [0, 0]
