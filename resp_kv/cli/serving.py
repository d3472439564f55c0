"""`resp-kv serve`: configuration, data folder, then the server.

What an operator can get wrong is tried before anything starts, so that each mistake has its own
sentence: the configuration, the folder, the port, a missing build.
"""

import contextlib
import errno
import os
import socket
import sys
import tempfile

from conf.loader import ConfigurationError
from resp_kv import config as configuration
from resp_kv.cli.failure import Failure


def serve(arguments: list[str]) -> None:
    """Runs until the server stops; Failure when it cannot start."""
    try:
        config = configuration.read(arguments)
    except ConfigurationError as error:
        raise Failure(error) from None
    run = _server()
    _try_port(config)
    _make_data_folder(config.get("dir"))
    from engine.errors import EngineError

    try:
        with _process_number_in(config.get("pidfile")):
            status = run(config)
    except EngineError as error:
        raise Failure(error) from None
    except OSError as error:
        raise Failure(_sentence(error, config)) from None
    sys.exit(status or 0)


@contextlib.contextmanager
def _process_number_in(path):
    if not path:
        yield
        return
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _make_data_folder(path):
    try:
        if not os.path.isdir(path):
            os.makedirs(path)
            print(f"resp-kv: created the data folder {path}", file=sys.stderr)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return  # a full disk serves reads
        raise Failure(f"cannot write in the data folder {path} (dir): {error.strerror}") from None


def _try_port(config):
    """Binds and lets go: the port is most often taken by a server that runs already."""
    port = config.get("port")
    for address in config.get("bind") if port else ():
        _try_address(address.lstrip("-"), port, optional=address.startswith("-"))


def _try_address(address, port, *, optional):
    host = {"*": "0.0.0.0", "::*": "::"}.get(address, address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(_port_taken(port)) from None
        if not optional:
            raise Failure(f"cannot listen on {address} port {port}: {error.strerror}") from None


def _port_taken(port):
    other = 6380 if port != 6380 else 6381
    return f"port {port} is already in use; take another one: make serve PORT={other}"


def _server():
    try:
        from resp_kv.shell.server import run
    except ModuleNotFoundError as error:
        ours = (error.name or "").partition(".")[0] in ("resp_kv", "engine", "cluster")
        what = "the compiled module" if ours else "the package"
        raise Failure(f"{what} {error.name} is missing: run `make build`") from None
    except ImportError as error:
        what = "the compiled modules do not fit this Python"
        raise Failure(f"{what} ({error}): run `make build`") from None
    return run


def _sentence(error, config):
    if error.errno == errno.EADDRINUSE:
        return _port_taken(config.get("port"))
    name = f" {error.filename}" if error.filename else ""
    return f"cannot start:{name} {error.strerror or error}"
