"""What the node's commands want of the outside world, done for real.

Everything here runs on the loop and returns at once; whatever takes longer is handed to the
background and answered with a Token.
"""

import ipaddress
import resource
import socket
import time

from resp_kv.host import Host, Token

DENIED = (
    "DENIED resp-kv runs in protected mode: it listens beyond this machine without a password, so "
    "it talks to clients on the loopback interface only. Set a password (directive requirepass), "
    "bind to chosen addresses, or turn the protection off (CONFIG SET protected-mode no)"
)
TOO_MANY = "ERR max number of clients reached"


class ServerHost(Host):
    """`server` is the running Server (server.py)."""

    def __init__(self, server):
        self.server = server
        self.last_save_ms = int(time.time() * 1000)

    # -- clients ------------------------------------------------------------------------------

    def refuse_client(self, sock, address):
        """Why this client must not come in, or None."""
        node = self.server.node
        if len(node.clients) >= self.server.clients_max:
            return TOO_MANY
        if node.config.get("protected-mode") and not node.config.get("requirepass"):
            if sock.family != socket.AF_UNIX and not is_loopback(address[0]):
                return DENIED
        return None

    def describe_client(self, connection, sock, address):
        """Socket options, and the addresses that CLIENT LIST shows."""
        if sock.family == socket.AF_UNIX:
            path = self.server.node.config.get("unixsocket")
            connection.addr = connection.laddr = f"{path}:0"
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keepalive_s = self.server.node.config.get("tcp-keepalive")
        if keepalive_s:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        connection.addr = written(address)
        connection.laddr = written(sock.getsockname())

    def output_too_large(self, connection):
        """True when the unsent replies of a client are over client-output-buffer-limit."""
        hard, soft, seconds = self.server.output_limits
        unsent = connection.output_bytes
        if hard and unsent > hard:
            return True
        if not soft or unsent <= soft:
            connection.soft_limit_since = None
            return False
        if connection.soft_limit_since is None:
            connection.soft_limit_since = self.server.node.now_ms
        return self.server.node.now_ms - connection.soft_limit_since >= seconds * 1000

    def close_client(self, client):
        self.server.driver.close(client)

    def wake_paused(self):
        self.server.loop.call_soon(self.server.driver.resume_paused)

    # -- storage ------------------------------------------------------------------------------

    @property
    def saving(self):
        return self.server.saving is not None and not self.server.saving.done

    def flush(self):
        if self.saving:
            return False
        self.start_saving(copy=False)
        return True

    def save(self):
        return self.server.saving if self.saving else self.start_saving(copy=True)

    def start_saving(self, copy):
        self.server.saving = Token()
        self.server.start(self.server.save_all(self.server.saving, copy))
        return self.server.saving

    def sync(self):
        token = Token()
        self.server.start(self.server.sync_log(token))
        return token

    def database_map_changed(self, numbers):
        self.server.identity.databases[:len(numbers)] = numbers
        self.server.identity.write()

    def shutdown(self, save, now, force, abort):
        if abort:
            return False          # stopping takes no longer than the flush; nothing waits
        self.server.request_stop(save)
        return True

    # -- numbers ------------------------------------------------------------------------------

    def key_counts(self):
        return self.server.census.latest()

    def engine_stats(self):
        return self.server.engine.stats()

    def loop_stats(self):
        driver = self.server.driver
        histogram = driver.turn_histogram
        shown = {"turns": driver.turns, "longest_turn_usec": driver.longest_turn_usec,
                 "turns_over_10ms": sum(histogram[14:]),
                 "turn_usec_histogram": ",".join(f"{1 << i}={n}"
                                                 for i, n in enumerate(histogram) if n)}
        shown.update((f"waiting_for_{name}", n) for name, n in driver.waiting_counts.items())
        shown.update(delayed_writes=driver.brake.delayed_writes,
                     stalled_writes=driver.brake.stalled_writes,
                     write_delay_usec=driver.brake.delay_usec)
        return shown

    def rss_bytes(self):
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def cpu_times(self):
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (own.ru_stime, own.ru_utime, children.ru_stime, children.ru_utime)


def is_loopback(address):
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def written(address):
    """host:port as Redis writes it, IPv6 in brackets."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
