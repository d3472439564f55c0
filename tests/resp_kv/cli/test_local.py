"""`resp-kv local` with stand-ins for the nodes: who is started, watched, found again and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from resp_kv.cli import local_node
from tests.e2e.local_cluster import free_ports

ROOT = Path(__file__).parents[3]
STAND_IN = Path(__file__).parent / "stand_in_node.py"
PROGRAM = f"""
import sys
from resp_kv.cli import local, local_node
local_node.PROGRAM = (sys.executable, {str(STAND_IN)!r})
local.STOP_S = STOP_SECONDS
from resp_kv.cli.app import main
main()
"""


class Cluster:
    """A folder and a first port for runs of `resp-kv local`."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_ports(3)
        self.runs = []

    def run(self, *options, stop_seconds=30, **environment):
        words = [*options, "--dir", str(self.folder)]
        if "--stop" not in options and not (self.folder / "cluster.json").exists():
            words += ["--port", str(self.port)]
        self.runs.append(subprocess.Popen(
            [sys.executable, "-c", PROGRAM.replace("STOP_SECONDS", str(stop_seconds)), "local", *words],
            cwd=ROOT, env={**os.environ, **environment}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return self.runs[-1]

    def up(self, *options, **more):
        """Run until it is ready."""
        run = self.run(*options, **more)
        until(run, "to try it")
        return run

    def pid(self, number):
        return int((self.folder / f"node-{number}" / "pid").read_text())

    def answers(self, number):
        try:
            return local_node.ask(self.port + number - 1, "PING") == "PONG"
        except OSError:
            return False

    def clean_up(self):
        for run in self.runs:
            run.kill()
            run.wait()
            run.stdout.close()
            run.stderr.close()
        for file in self.folder.glob("node-*/pid"):
            try:
                os.kill(int(file.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass


def until(run, text):
    """The line with this text; what comes before is passed over."""
    for line in run.stdout:
        if text in line:
            return line.rstrip("\n")
    raise AssertionError(f"ended without {text!r}: {run.stderr.read()}")


def ended(run, number=None):
    """(exit status, standard output, standard error), after a signal if a number is given."""
    if number is not None:
        run.send_signal(number)
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path / "cluster")
    yield made
    made.clean_up()


def test_table_of_what_runs_where(cluster):
    run = cluster.run("--dc", "a:2,b:1", "--weight", "1,1,2")
    assert until(run, "starting") == (
        f"starting nodes 1, 2, 3; each writes its log to {cluster.folder}/node-N/node.log")
    row = until(run, f"127.0.0.1:{cluster.port + 2}").replace(" ", "")
    for cell in (f"{cluster.port + 10_002}", "b", "2", f"{cluster.pid(3)}"):
        assert f"│{cell}│" in row
    assert until(run, "to try it") == (
        f"to try it: redis-cli -p {cluster.port}, or redis-cli -c -p {cluster.port}; "
        "Ctrl-C stops nodes 1, 2, 3")


def test_what_each_node_is_told(cluster):
    cluster.up("--set", "requirepass 'a b'", "--set", "hz 20")
    seeds = " ".join(f"127.0.0.1:{cluster.port + 10_000 + i}" for i in range(3))
    words = json.loads((cluster.folder / "node-2" / "arguments.json").read_text())
    assert words == [
        "--requirepass", "a b", "--hz", "20", "--bind", "127.0.0.1",
        "--port", str(cluster.port + 1), "--dir", str(cluster.folder / "node-2"),
        "--cluster-enabled", "yes", "--cluster-seeds", seeds, "--node-dc", "dc1",
        "--node-rack", "node-2", "--node-weight", "1", "--node-server", "node-2",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all(cluster, number):
    run = cluster.up()
    assert ended(run, number) == (0, "stopping nodes 1, 2, 3\n", "")
    assert not any(cluster.answers(number) for number in (1, 2, 3))
    assert not list(cluster.folder.glob("node-*/pid"))


def test_a_node_that_dies_leaves_the_others(cluster):
    run = cluster.up()
    os.kill(cluster.pid(2), signal.SIGKILL)
    assert until(run, "node 2") == (
        f"node 2 was killed by SIGKILL, see {cluster.folder}/node-2/node.log; "
        f"resp-kv local --dir {cluster.folder} starts it again")
    assert cluster.answers(1) and cluster.answers(3) and not cluster.answers(2)
    assert ended(run, signal.SIGINT) == (0, "stopping nodes 1, 3\n", "")


def test_again_while_the_first_still_runs(cluster):
    first = cluster.up()
    before = [cluster.pid(number) for number in (1, 2, 3)]
    os.kill(cluster.pid(2), signal.SIGKILL)
    until(first, "node 2 was killed")
    second = cluster.run()
    assert until(second, "starting").startswith("starting node 2;")
    assert f"{before[0]} (ran already)" in until(second, f"127.0.0.1:{cluster.port}")
    until(second, "Ctrl-C stops node 2")
    assert cluster.pid(1) == before[0] and cluster.pid(2) != before[1]
    status, out, _ = ended(second, signal.SIGINT)
    assert status == 0
    assert out == ("stopping node 2\nstill running, since not started here: nodes 1, 3; "
                   f"resp-kv local --stop --dir {cluster.folder} stops all\n")
    assert cluster.answers(1) and cluster.answers(3) and not cluster.answers(2)


def test_again_after_the_first_was_killed(cluster):
    cluster.up().kill()
    cluster.runs[0].wait()
    os.kill(cluster.pid(3), signal.SIGKILL)
    run = cluster.run()
    assert until(run, "starting").startswith("starting node 3;")
    until(run, "Ctrl-C stops node 3")
    os.kill(cluster.pid(1), signal.SIGKILL)                    # no child of this run
    assert until(run, "node 1").startswith("node 1 ended, see ")


def test_again_with_nothing_to_start(cluster):
    cluster.up()
    status, out, err = ended(cluster.run())
    assert (status, err) == (0, "")
    assert out.endswith("nothing to start: all run already; "
                        f"resp-kv local --stop --dir {cluster.folder} stops them\n")
    assert all(cluster.answers(number) for number in (1, 2, 3))


def test_a_lost_pid_file_does_not_start_a_node_twice(cluster):
    cluster.up()
    pid = cluster.pid(2)
    (cluster.folder / "node-2" / "pid").unlink()
    assert "nothing to start" in ended(cluster.run())[1]
    assert cluster.pid(2) == pid


def test_a_pid_that_belongs_to_another_process_is_no_node(cluster):
    (cluster.folder / "node-2").mkdir(parents=True)
    (cluster.folder / "node-2" / "pid").write_text(f"{os.getpid()}\n")
    run = cluster.run()
    assert until(run, "starting").startswith("starting nodes 1, 2, 3;")
    until(run, "to try it")
    assert cluster.pid(2) != os.getpid()


def test_stop_ends_all_whoever_started_them(cluster):
    first = cluster.up()
    assert ended(cluster.run("--stop")) == (0, "stopping nodes 1, 2, 3\n", "")
    status, out, _ = ended(first)
    assert status == 0
    assert out.count("stopped, see") == 3
    assert ended(cluster.run("--stop")) == (0, "no node runs\n", "")


def test_stop_where_nothing_is(cluster):
    status, _, err = ended(cluster.run("--stop"))
    assert (status, err) == (1, f"resp-kv: {cluster.folder} holds no local cluster: there is no "
                                f"{cluster.folder}/cluster.json\n")


def test_it_ends_when_no_node_is_left(cluster):
    run = cluster.up()
    for number in (1, 2, 3):
        os.kill(cluster.pid(number), signal.SIGKILL)
    assert ended(run)[0] == 1


def test_a_node_that_does_not_come_up(cluster):
    status, out, err = ended(cluster.run(STAND_IN_EXITS="node-2"))
    assert status == 1
    assert err == ("resp-kv: node 2 did not come up: it ended with exit status 3; its log "
                   f"{cluster.folder}/node-2/node.log ends with: no luck today\n")
    assert "stopping nodes 1, 3" in out
    assert not cluster.answers(1)


def test_a_cluster_that_does_not_become_ready(cluster):
    for wait_s in (0.5, 5, 50):
        status, _, err = ended(cluster.run("--wait", str(wait_s), STAND_IN_NOT_OK="node-3"))
        assert status == 1
        if "does not answer" not in err:               # on a busy machine not even a stand-in is up so soon
            break
    assert "node 3 (process " in err
    assert err.endswith(f"says cluster_state:fail after {wait_s} seconds; see its log "
                        f"{cluster.folder}/node-3/node.log\n")


def test_a_signal_while_it_waits(cluster):
    run = cluster.run(STAND_IN_NOT_OK="node-1")
    until(run, "starting")
    status, out, err = ended(run, signal.SIGINT)
    assert (status, out, err) == (0, "stopping nodes 1, 2, 3\n", "")


def test_a_node_that_does_not_stop_is_killed(cluster):
    run = cluster.up(stop_seconds=1, STAND_IN_STUBBORN="node-1")
    pid = cluster.pid(1)
    status, out, _ = ended(run, signal.SIGINT)
    assert status == 0
    assert f"node 1 (process {pid}) does not stop: killed, see {cluster.folder}/node-1/node.log" in out
    assert not cluster.answers(1)


def test_a_second_ctrl_c_kills_at_once(cluster):
    run = cluster.up(stop_seconds=1000, STAND_IN_STUBBORN="node-1")
    run.send_signal(signal.SIGINT)
    until(run, "stopping")
    assert "node 1 (process" in ended(run, signal.SIGINT)[1]


@pytest.mark.parametrize(("offset", "what"), [(1, "port"), (10_001, "bus port")])
def test_a_port_of_another_program(cluster, offset, what):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port + offset))
        taken.listen()
        status, _, err = ended(cluster.run())
    assert status == 1
    assert err.startswith(f"resp-kv: {what} {cluster.port + offset} of node 2 cannot be had "
                          "(Address already in use): stop the program that uses it")
    assert not cluster.answers(1)
    assert not (cluster.folder / "cluster.json").exists()      # other ports can be asked for now


def test_two_at_the_same_moment(cluster):
    first = cluster.run("--wait", "100", STAND_IN_NOT_OK="node-1")
    until(first, "starting")
    status, _, err = ended(cluster.run())
    assert (status, err) == (1, "resp-kv: another resp-kv local is just starting the nodes of "
                                f"{cluster.folder}; try again when it is done\n")


def test_other_numbers_are_refused(cluster):
    ended(cluster.up(), signal.SIGTERM)
    status, _, err = ended(cluster.run("--nodes", "5"))
    assert status == 1
    assert f"already holds a cluster made with --nodes 3 --port {cluster.port} --dc dc1:3" in err


def test_a_folder_that_is_a_file(cluster):
    cluster.folder.write_text("")
    status, _, err = ended(cluster.run())
    assert (status, err) == (1, f"resp-kv: cannot use the folder {cluster.folder}: File exists\n")


class TestReplies:
    @pytest.fixture
    def server(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield listening

    def reply(self, server, reply):
        import threading

        def serve():
            client, _ = server.accept()
            client.recv(1000)
            client.sendall(reply)
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return local_node.ask(server.getsockname()[1], "PING")
        finally:
            thread.join()

    def test_kinds(self, server):
        assert self.reply(server, b"+PONG\r\n") == "PONG"
        assert self.reply(server, b":5\r\n") == "5"
        assert self.reply(server, b"$4\r\na\r\nb\r\n") == "a\r\nb"
        assert self.reply(server, b"-NOAUTH no\r\n") == "-NOAUTH no"

    def test_others_are_no_servers_of_ours(self, server):
        for line in (b"", b"SSH-2.0-x\r\n", b"$-1\r\n", b"*1\r\n"):
            with pytest.raises(OSError):
                self.reply(server, line)
