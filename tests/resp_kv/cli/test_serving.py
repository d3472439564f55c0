"""What an operator can get wrong: one line on standard error, exit code 1, no traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import resp_kv
from resp_kv.cli import serving
from resp_kv.cli.failure import Failure

ROOT = Path(__file__).parents[3]


@pytest.fixture
def started(monkeypatch):
    """Configurations that would have been run."""
    configs = []
    monkeypatch.setattr(serving, "_server", lambda: configs.append)
    return configs


def serve(*arguments):
    with pytest.raises(SystemExit) as left:
        serving.serve([str(argument) for argument in arguments])
    return left.value.code


def refusal(*arguments):
    with pytest.raises(Failure) as caught:
        serving.serve([str(argument) for argument in arguments])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_arguments_reach_the_server(started, tmp_path):
    port = free_port()
    assert serve("--port", port, "--dir", tmp_path, "--bind", "127.0.0.1", "-::1") == 0
    assert started[0].get("port") == port
    assert started[0].get("bind") == ("127.0.0.1", "-::1")


def test_missing_folder_is_made_and_said(started, tmp_path, capfd):
    folder = tmp_path / "a" / "b"
    assert serve("--port", 0, "--dir", folder) == 0
    assert folder.is_dir()
    assert capfd.readouterr().err == f"resp-kv: created the data folder {folder}\n"


def test_taken_port_names_the_way_out(started, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refusal("--port", port, "--dir", tmp_path / "d")
    assert told == f"port {port} is already in use; take another one: make serve PORT=6380"
    assert not (tmp_path / "d").exists()


def test_address_of_another_machine(started, tmp_path):
    told = refusal("--port", free_port(), "--dir", tmp_path, "--bind", "192.0.2.1")
    assert told.startswith("cannot listen on 192.0.2.1 port ")


def test_optional_address_may_be_missing(started, tmp_path):
    assert serve("--port", free_port(), "--dir", tmp_path, "--bind", "-192.0.2.1") == 0


def test_folder_that_is_a_file(started, tmp_path):
    (tmp_path / "f").write_text("")
    told = refusal("--port", 0, "--dir", tmp_path / "f")
    assert told == f"cannot write in the data folder {tmp_path}/f (dir): File exists"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(started, tmp_path):
    tmp_path.chmod(0o500)
    assert "Permission denied" in refusal("--port", 0, "--dir", tmp_path)


def test_unknown_directive(started):
    assert refusal("--prot", 1) == (
        "command line, --prot: unknown directive 'prot', did you mean 'port'?"
    )


def test_pidfile_is_there_while_it_runs(monkeypatch, tmp_path):
    path = tmp_path / "pid"
    monkeypatch.setattr(serving, "_server", lambda: lambda config: seen.append(path.read_text()))
    seen = []
    assert serve("--port", 0, "--dir", tmp_path, "--pidfile", path) == 0
    assert seen == [f"{os.getpid()}\n"]
    assert not path.exists()


def test_pidfile_that_cannot_be_written(started, tmp_path):
    told = refusal("--port", 0, "--dir", tmp_path, "--pidfile", tmp_path / "none" / "pid")
    assert told == f"cannot start: {tmp_path}/none/pid No such file or directory"


def test_engine_refusal_is_one_line(monkeypatch, tmp_path):
    from engine.errors import DirectoryInUse

    def run(config):
        raise DirectoryInUse("another process uses it")

    monkeypatch.setattr(serving, "_server", lambda: run)
    assert refusal("--port", 0, "--dir", tmp_path) == "another process uses it"


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "resp_kv", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )


def test_process_ends_with_one_line():
    done = run("serve", "/nowhere.conf", "--port", "-1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "resp-kv: cannot read the configuration file /nowhere.conf: No such file or directory\n"
    )


def test_version():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout == f"resp-kv {resp_kv.__version__} (as Redis {resp_kv.REDIS_VERSION})\n"
