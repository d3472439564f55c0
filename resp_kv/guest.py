"""A command's client while it runs over replicas: the same attributes, with views for databases.

At the node that the client is connected to, whatever else a handler wants of its client comes from
there. At another node (the coordinator of its keys) there is no client, only what was sent along:
database and protocol version. Handlers that want more than that do not run away from home.
"""

from cluster.errors import StoreError
from cluster.view import KeyspaceView
from resp_kv.errors import CommandError


class GuestNode:
    """The node, with the databases as the command may see them."""

    def __init__(self, node, view):
        self.real = node
        self.keyspaces = [KeyspaceView(view, keyspace) for keyspace in node.keyspaces]

    def __getattr__(self, name):
        return getattr(self.real, name)


class Guest:
    """`home` is the real client, or None away from it."""

    transaction = None

    def __init__(self, node, view, db, resp, home=None):
        self.node, self.db, self.resp, self.home = GuestNode(node, view), db, resp, home
        self.keyspace = self.node.keyspaces[db]

    def __getattr__(self, name):
        if self.home is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.home, name)

    @property
    def watched(self):
        return self.home.watched

    @watched.setter
    def watched(self, seen):
        self.home.watched = seen

    def select(self, index):
        """Inside a transaction: for the commands that follow in it."""
        self.db, self.keyspace = index, self.node.keyspaces[index]

    def call(self, row, args):
        """The reply of a row, or the CommandError that it ended in."""
        row.calls += 1
        try:
            value = row.handler(self, args)
            return last_of(value) if row.is_generator else value
        except (CommandError, StoreError) as error:
            row.failed_calls += 1
            return CommandError(error.text)
        except AttributeError:
            return CommandError(
                f"ERR '{row.name}' is not possible inside a transaction that another node runs")


def last_of(generator):
    """What a long command ends with: inside a transaction nobody goes first."""
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value
