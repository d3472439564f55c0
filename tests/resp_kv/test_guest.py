"""The stand-in for a client while a command runs over replicas."""

from types import SimpleNamespace

import pytest

from cluster.errors import StoreError
from resp_kv.errors import CommandError
from resp_kv.guest import Guest


class Row:
    """A command's row, as far as a guest looks at it."""

    def __init__(self, handler, is_generator=False):
        self.name, self.handler, self.is_generator = "name", handler, is_generator
        self.calls = self.failed_calls = 0


def node():
    return SimpleNamespace(keyspaces=[SimpleNamespace(database=number) for number in range(3)],
                           version="1.2")


@pytest.fixture
def home():
    return SimpleNamespace(name=b"me", watched={}, addr="here")


def test_databases_are_views(home):
    guest = Guest(node(), "the view", 1, 3, home)
    assert (guest.keyspace.view, guest.keyspace.database, guest.resp) == ("the view", 1, 3)
    guest.select(2)
    assert (guest.db, guest.keyspace.database) == (2, 2)
    assert guest.node.version == "1.2" and len(guest.node.keyspaces) == 3


def test_what_else_a_handler_wants_comes_from_home(home):
    guest = Guest(node(), None, 0, 2, home)
    assert (guest.name, guest.addr, guest.transaction) == (b"me", "here", None)
    guest.watched = {"a": 1}
    assert home.watched == {"a": 1}
    with pytest.raises(AttributeError):
        guest.nothing_of_this_name


def test_away_from_home_there_is_no_client():
    guest = Guest(node(), None, 0, 2)
    with pytest.raises(AttributeError):
        guest.name
    reply = guest.call(row := Row(lambda client, args: client.name), [])
    assert reply.text == "ERR 'name' is not possible inside a transaction that another node runs"
    assert row.calls == 1


def test_calls_inside_a_transaction(home):
    guest = Guest(node(), None, 0, 2, home)
    assert guest.call(Row(lambda client, args: args[0]), [b"x"]) == b"x"
    for error in (CommandError("ERR no"), StoreError("ERR no")):
        def fail(client, args, error=error):
            raise error

        row = Row(fail)
        assert guest.call(row, []).text == "ERR no"
        assert (row.calls, row.failed_calls) == (1, 1)


def test_a_long_command_inside_a_transaction_runs_to_its_end(home):
    def long(client, args):
        yield
        yield 50
        return args

    guest = Guest(node(), None, 0, 2, home)
    assert guest.call(Row(long, is_generator=True), [b"x"]) == [b"x"]
