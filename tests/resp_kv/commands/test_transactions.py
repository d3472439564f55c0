import pytest

from resp_kv.commands.table import COMMANDS
from tests.resp_kv.commands.replies import is_error, run_all


def test_runs_queued_commands_in_order(rig):
    assert run_all(rig, "MULTI", "SET a 1", "INCR a", "GET a", "GET b", "EXEC") == [
        b"OK", b"QUEUED", b"QUEUED", b"QUEUED", b"QUEUED", [b"OK", 2, b"2", None]]
    assert rig.run("GET", "a") == b"2"


def test_exact_bytes(rig):
    assert rig.raw(b"MULTI\r\nPING\r\nEXEC\r\n") == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"
    assert rig.raw(b"MULTI\r\nEXEC\r\n") == b"+OK\r\n*0\r\n"


def test_nothing_runs_before_exec(rig):
    other = rig.new_client()
    run_all(rig, "MULTI", "SET a 1")
    assert other.run("GET", "a") is None
    rig.run("EXEC")
    assert other.run("GET", "a") == b"1"


def test_an_error_while_running_does_not_stop_the_rest(rig):
    rig.run("SET", "a", "word")
    replies = run_all(rig, "MULTI", "INCR a", "SET b 1", "EXEC")[-1]
    assert is_error(replies[0], "ERR value is not an integer or out of range")
    assert replies[1] == b"OK"
    assert rig.run("GET", "b") == b"1"


def test_a_command_that_could_not_be_queued_breaks_the_transaction(rig):
    for wrong in ("SET a", "NOSUCH a", "CLIENT NOSUCH", "SAVE"):
        run_all(rig, "MULTI", "SET a 1", wrong)
        assert is_error(rig.run("EXEC"),
                        "EXECABORT Transaction discarded because of previous errors.")
        assert rig.run("GET", "a") is None


@pytest.mark.parametrize("wrong", ["MULTI x", "WATCH", "DISCARD x", "RESET x"])
def test_a_wrong_number_of_words_breaks_the_transaction_whatever_the_command(rig, wrong):
    run_all(rig, "MULTI", "SET a 1", wrong)
    assert is_error(rig.run("EXEC"),
                    "EXECABORT Transaction discarded because of previous errors.")
    assert rig.run("GET", "a") is None


def test_a_refused_exec_ends_the_transaction(rig):
    run_all(rig, "WATCH a", "MULTI", "SET a 1")
    assert is_error(rig.run("EXEC", "x"), "EXECABORT Transaction discarded because of: "
                                          "wrong number of arguments for 'exec' command")
    assert is_error(rig.run("EXEC"), "ERR EXEC without MULTI")
    rig.new_client().run("SET", "a", "2")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] == [b"PONG"]       # no longer watched


def test_queued_commands_count_when_they_run(rig):
    run_all(rig, "CONFIG RESETSTAT", "MULTI", "SET a 1", "SET a 2")
    assert COMMANDS[b"set"].calls == 0
    run_all(rig, "DISCARD", "MULTI", "SET a 1", "EXEC")
    assert COMMANDS[b"set"].calls == 1


def test_save_and_shutdown_are_not_allowed_inside(rig):
    rig.run("MULTI")
    for name in ("SAVE", "SHUTDOWN"):
        assert is_error(rig.run(name), "ERR Command not allowed inside a transaction")


def test_misuse(rig):
    assert is_error(rig.run("EXEC"), "ERR EXEC without MULTI")
    assert is_error(rig.run("DISCARD"), "ERR DISCARD without MULTI")
    rig.run("MULTI")
    assert is_error(rig.run("MULTI"), "ERR MULTI calls can not be nested")
    assert is_error(rig.run("WATCH", "a"), "ERR WATCH inside MULTI is not allowed")
    assert rig.run("EXEC") == []            # neither breaks the transaction


def test_discard(rig):
    assert run_all(rig, "WATCH a", "MULTI", "SET a 1", "DISCARD") == [
        b"OK", b"OK", b"QUEUED", b"OK"]
    assert rig.run("GET", "a") is None
    rig.new_client().run("SET", "a", "2")
    assert run_all(rig, "MULTI", "SET b 1", "EXEC")[-1] == [b"OK"]      # no longer watched


def test_watch_sees_every_kind_of_change(rig):
    changes = {
        "write": ["SET a 2"], "delete": ["DEL a"], "same value": ["SET a 1"],
        "deadline": ["EXPIRE a 100"], "persist": ["PERSIST a"], "flush": ["FLUSHDB"],
        "delete and make anew": ["DEL a", "SET a 1"],
    }
    other = rig.new_client()
    for what, lines in changes.items():
        run_all(rig, "SET a 1 EX 500" if what == "persist" else "SET a 1", "WATCH a")
        run_all(other, *lines)
        assert run_all(rig, "MULTI", "SET b 1", "EXEC")[-1] is None, what


def test_watch_does_not_mind_reads_and_other_keys(rig):
    run_all(rig, "SET a 1", "WATCH a nokey")
    run_all(rig.new_client(), "GET a", "SET c 1", "EXISTS nokey", "DEL nokey2")
    assert run_all(rig, "MULTI", "GET a", "EXEC")[-1] == [b"1"]


def test_watch_sees_expiry(rig):
    run_all(rig, "SET a 1 PX 100", "WATCH a")
    rig.advance(100)
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] is None
    # Expired already when it was watched: that is no change.
    assert run_all(rig, "WATCH a", "MULTI", "PING", "EXEC")[-1] == [b"PONG"]


def test_watch_sees_a_key_made(rig):
    rig.run("WATCH", "new")
    rig.new_client().run("SET", "new", "1")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] is None


def test_the_first_look_counts_when_a_key_is_watched_twice(rig):
    rig.run("WATCH", "a")
    rig.new_client().run("SET", "a", "1")
    rig.run("WATCH", "a")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] is None


def test_watch_is_over_after_exec_and_unwatch(rig):
    other = rig.new_client()
    run_all(rig, "WATCH a", "UNWATCH")
    other.run("SET", "a", "1")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] == [b"PONG"]
    run_all(rig, "WATCH a", "MULTI", "EXEC")
    other.run("SET", "a", "2")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] == [b"PONG"]


def test_watch_is_per_database(rig):
    run_all(rig, "WATCH a", "SELECT 1")
    run_all(rig.new_client(), "SELECT 1", "SET a 1")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] == [b"PONG"]


def test_swapdb_changes_watched_keys(rig):
    run_all(rig, "SET a 1", "WATCH a")
    rig.new_client().run("SWAPDB", "0", "1")
    assert run_all(rig, "MULTI", "PING", "EXEC")[-1] is None


def test_null_reply_of_exec_in_both_protocols(rig):
    for hello, null in ((b"2", b"*-1\r\n"), (b"3", b"_\r\n")):
        rig.send("HELLO", hello)
        run_all(rig, "WATCH a")
        rig.new_client().run("SET", "a", "1")
        rig.run("MULTI")
        assert rig.send("EXEC") == null


def test_select_inside_holds_for_what_follows(rig):
    assert run_all(rig, "MULTI", "SET a 0", "SELECT 3", "SET a 3", "GET a", "EXEC")[-1] == [
        b"OK", b"OK", b"OK", b"3"]
    assert rig.run("GET", "a") == b"3"
    assert run_all(rig, "SELECT 0", "GET a") == [b"OK", b"0"]


def test_generators_run_to_their_end(rig):
    run_all(rig, "SET a 1", "SET b 2")
    replies = run_all(rig, "MULTI", "KEYS *", "DBSIZE", "EXEC")[-1]
    assert [sorted(replies[0]), replies[1]] == [[b"a", b"b"], 2]


def test_cold_keys_do_not_interrupt_it(rig):
    for i in range(200):
        rig.run("SET", f"key:{i}", "x" * 100)
    rig.run("SET", "watched", "1")
    rig.flush_to_tables()
    run_all(rig, "WATCH watched", "MULTI", *(f"APPEND key:{i} y" for i in range(200)),
            "SELECT 1", "GET key:1", "DBSIZE")
    assert rig.run("EXEC") == [101] * 200 + [b"OK", None, 0]


def test_a_bug_in_one_command_does_not_leave_it_half_run(rig, monkeypatch):
    def broken(client, args):
        raise ZeroDivisionError

    monkeypatch.setattr(COMMANDS[b"strlen"], "handler", broken)
    replies = run_all(rig, "MULTI", "SET a 1", "STRLEN a", "SET b 2", "EXEC")[-1]
    assert replies[0] == replies[2] == b"OK"
    assert is_error(replies[1],
                    "ERR internal error while running 'strlen', see the server's log")


def test_reads_are_asynchronous_again_afterwards(rig):
    run_all(rig, "MULTI", "GET a", "EXEC")
    assert rig.client.connection.keyspace.synchronous is False


def test_a_command_without_reply_keeps_its_place(rig):
    assert run_all(rig, "MULTI", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "EXEC")[-1] == [
        b"OK", b"PONG", b"OK"]


def test_the_queue_has_a_limit(rig):
    rig.run("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    rig.run("MULTI")
    replies = b"".join(rig.send("SET", "a", "x" * 9000) for _ in range(130))
    queued, _, refusal = replies.partition(b"-")
    assert queued == b"+QUEUED\r\n" * 114
    assert refusal == (b"ERR the queued commands reach the client query buffer limit (directive "
                       b"client-query-buffer-limit), closing the connection\r\n")
    assert rig.client.connection.closing
    assert rig.new_client().run("GET", "a") is None
