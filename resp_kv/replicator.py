"""How each command gets to the replicas of its keys.

    no keys                     runs here, on this node's own state (PING, SCAN, CONFIG, ...)
    reads                       here: a quorum read of each key, then the handler
    reads and writes            at the preferred coordinator: the whole command goes there
    MSET DEL UNLINK SETEX       there, too; at the next replica while that one owes answers for long
    KV.SET, KV.DEL with CONTEXT  here if this node holds a replica: such a write says itself what it
                                has seen, so it needs no one place where writers meet
    MGET MSET DEL UNLINK EXISTS TOUCH over several slots      taken apart, gathered in order
    other commands over several slots, and transactions       CROSSSLOT: only one slot is atomic
    FLUSHDB FLUSHALL            every node

Plain GET and SET take the compiled way in line.pyx and do not come by here. What a command answers is
settled through a ticket of its connection's line; nothing here waits.
"""

import logging

from cluster.errors import NeedsDisk, StoreError
from cluster.execution import Execution, Levels, Locks
from cluster.levels import BadLevel
from cluster.request import Sink
from cluster.slots import slot_of, stored_key
from resp_kv.commands.transactions import end
from resp_kv.encoding import decoded_commands, encoded_commands, encoded_reply
from resp_kv.errors import CommandError
from resp_kv.guest import Guest
from resp_kv.resp.values import NO_REPLY, NULL_ARRAY, OK

log = logging.getLogger("resp_kv.replicator")

LOCAL, STARTED, WAIT = object(), object(), object()
CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"
SUMMED = frozenset(("del", "unlink", "exists", "touch"))
BLIND = frozenset(("del", "unlink", "mset", "setex", "psetex"))
CONDITIONS = frozenset((b"NX", b"XX", b"GET", b"KEEPTTL"))
SWEEPING = frozenset(("flushdb", "flushall"))
RESP3 = 16                     # as wire.pxd numbers the flag
KEY_BYTES_MAX = 65_529


class ReplySink(Sink):
    """Another node's reply, for whoever started it: `then(bytes, error text)`."""

    def __init__(self, then):
        self.then = then

    def finished(self, request):
        if request.succeeded:
            self.then(request.value, None)
        else:
            self.then(None, request.text)


class Replicator:
    """`node` is the Node; `coordinator` the cluster.Coordinator of this node."""

    def __init__(self, node, coordinator, *, siblings_max):
        self.node, self.coordinator, self.siblings_max = node, coordinator, siblings_max
        self.locks = Locks()
        coordinator.executor = self

    # -- for a connection ---------------------------------------------------------------------

    def start(self, client, row, args):
        """LOCAL: run it here. STARTED: a ticket is drawn. WAIT: run it again when the line has moved.
        Raises CommandError."""
        if row.name == "exec":
            return self.start_transaction(client)
        if row.name in SWEEPING:
            return self.start_sweep(client, row, args)
        if row.name == "swapdb":
            raise CommandError("ERR SWAPDB is not allowed in cluster mode")
        keys = row.keys_of(args)
        if not keys:
            return LOCAL
        if any(len(key) > KEY_BYTES_MAX for key in keys):
            raise CommandError(f"ERR a key has at most {KEY_BYTES_MAX} bytes")
        job = self.job_of(client, row, args)
        if row.demand is not None:
            self.check_levels(job, keys[0])
        if len({slot_of(key) for key in keys}) > 1:
            return self.start_scattered(client, job, keys)
        ticket = client.line.draw([self.stored(client, key) for key in keys], silent(client))
        if ticket is None:
            return WAIT
        self.run(job, ticket.resolve)
        return STARTED

    def stored(self, client, key):
        return stored_key(client.keyspace.database, key)

    def job_of(self, client, row, args):
        line = client.line
        usual = Levels(1 if client.readonly else line.read_level, line.write_level,
                       line.read_timeout_ms, line.write_timeout_ms)
        if row is None or row.demand is None:
            return Job(row, args, client.db, client.resp, client, usual)
        demand = row.demand(args)
        job = Job(row, args, client.db, client.resp, client, demand.over(usual))
        job.anywhere = demand.anywhere
        return job

    def check_levels(self, job, key):
        """Refuse levels that the replicas of a key can never give, before anything is done."""
        plan = self.coordinator.plan_for(stored_key(0, key))
        try:
            plan.need_of(job.levels.read, False)
            if job.row.is_write:
                plan.need_of(job.levels.write, True)
        except BadLevel as error:
            raise CommandError(f"ERR {error}") from None

    # -- one command, one slot ----------------------------------------------------------------

    def run(self, job, then):
        """Run a job whose keys are in one slot, here or at their coordinator: `then(reply, error)`."""
        job.prepare(self.node)
        if not job.writes:
            self.execute_here(job, (), then)
            return
        plan = self.coordinator.plan_for(job.stored[0])
        member = self.coordinator.preferred(plan, job.levels.write)
        if job.anywhere and plan.mine >= 0:
            member = self.coordinator.me
        elif member >= 0 and job.is_blind and self.coordinator.is_silent(member):
            answering = self.coordinator.next_answering(plan, job.levels.write)
            member = answering if answering >= 0 else member
        if member < 0:
            then(None, "CLUSTERDOWN no replica of this key is alive")
        elif member == self.coordinator.me:
            self.execute_here(job, job.stored, then)
        elif not self.coordinator.execute(member, job.stored[0], job.encoded(), job.levels.write,
                                          job.levels.write_timeout_ms, job.flags,
                                          ReplySink(self.or_at_the_next(job, plan, member, then))):
            self.execute_elsewhere(job, plan, then)

    def execute_elsewhere(self, job, plan, then):
        """The coordinator cannot be reached, and certainly has not got it: the next one."""
        self.coordinator.set_alive(self.coordinator.preferred(plan, job.levels.write), False)
        self.run(job, then)

    def or_at_the_next(self, job, plan, member, then):
        """A coordinator that has just been started, or is cut off, may reach fewer nodes than others do
        and refuse: nothing was done, so the next replica in line runs it, which is the same one for
        whoever asks."""
        def take(reply, error):
            if reply is None or not refused_at_once(reply):
                then(reply, error)
                return
            after = plan.replicas[plan.replicas.index(member) + 1:]
            following = next((other for other in after if self.coordinator.is_alive(other)), -1)
            if following == self.coordinator.me:
                self.execute_here(job, job.stored, then)
            elif following < 0 or not self.coordinator.execute(
                    following, job.stored[0], job.encoded(), job.levels.write,
                    job.levels.write_timeout_ms, job.flags, ReplySink(then)):
                then(reply, error)
        return take

    def execute_here(self, job, locked, then):
        resp3 = job.resp == 3

        def done(reply, error):
            if error is not None:
                then(None, error)
            else:
                then(encoded_reply(reply, resp3), None)

        Execution(self.coordinator, self.locks, locked, lambda view: job.run(self.node, view),
                  job.levels, done, pair_bytes_max=self.node.config.get("max-pair-bytes"),
                  siblings_max=self.siblings_max).start()

    # -- for another node ---------------------------------------------------------------------

    def execute(self, member, link, request_id, header, key, body):
        """A command that `member` sends: this node is its coordinator, or was a moment ago."""

        def then(reply, error):
            if error is not None:
                reply = b"-" + error.encode() + b"\r\n"
            self.coordinator.executed(link, request_id, reply)

        try:
            job = decoded_job(self.node, body, header)
            job.prepare(self.node)
            if self.coordinator.plan_for(job.stored[0]).mine < 0:
                then(None, "CLUSTERDOWN this node holds no replica of the key")
                return
            self.execute_here(job, job.stored, then)
        except (StoreError, CommandError) as error:
            then(None, error.text)
        except Exception:
            log.exception("a command from another node failed")
            then(None, "ERR internal error, see the coordinator's log")

    # -- transactions -------------------------------------------------------------------------

    def start_transaction(self, client):
        transaction = client.transaction
        if transaction is None or transaction.broken:
            return LOCAL
        named = list(client.watched)
        db = client.db
        for row, args in transaction.queued:
            if row.name in SWEEPING or row.name == "swapdb":
                end(client)
                raise CommandError(f"EXECABORT '{row.name}' is not possible inside a transaction "
                                   "on a cluster")
            db = selected(client, row, args, db)
            named += [(db, key) for key in row.keys_of(args)]
        if not named:
            return LOCAL
        if len({slot_of(key) for _, key in named}) > 1:
            end(client)
            raise CommandError(CROSS_SLOT)
        ticket = client.line.draw([
            stored_key(self.node.keyspaces[db].database, key) for db, key in named],
            silent(client))
        if ticket is None:
            return WAIT
        job = self.job_of(client, None, None)
        job.queued, job.watched = list(transaction.queued), dict(client.watched)
        end(client)
        client.select(db)
        self.run(job, ticket.resolve)
        return STARTED

    # -- several slots ------------------------------------------------------------------------

    def start_scattered(self, client, job, keys):
        name = job.row.name
        if name not in SUMMED and name not in ("mget", "mset"):
            raise CommandError(CROSS_SLOT)
        if name == "mset":
            job.check_pairs()
        ticket = client.line.draw([self.stored(client, key) for key in keys], silent(client))
        if ticket is None:
            return WAIT
        parts = job.by_slot()
        gathered = Gathered(len(parts), lambda replies, error: ticket.resolve(
            None if error is not None else joined(name, parts, replies, job.resp == 3), error))
        for number, (part, _) in enumerate(parts):
            self.run(part, gathered.slot(number))
        return STARTED

    def start_sweep(self, client, row, args):
        if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"ASYNC", b"SYNC")):
            return LOCAL           # its handler has the words for it
        ticket = client.line.draw_alone(silent(client))
        if ticket is None:
            return WAIT
        keyspaces = [client.keyspace] if row.name == "flushdb" else self.node.keyspaces
        gathered = Gathered(len(keyspaces), lambda replies, error: ticket.resolve(
            None if error is not None else encoded_reply(OK, False), error))
        for number, keyspace in enumerate(keyspaces):
            then = gathered.slot(number)
            try:
                self.coordinator.sweep(keyspace.database, ReplySink(then),
                                       client.line.write_timeout_ms)
            except StoreError as error:
                then(None, error.text)
        return STARTED


class Job:
    """One command or transaction with all that its coordinator has to know."""

    def __init__(self, row, args, db, resp, home, job_levels):
        self.row, self.args, self.db, self.resp, self.home = row, args, db, resp, home
        self.levels = job_levels
        self.queued, self.watched = None, {}
        self.stored = None
        self.anywhere = False            # any replica may be the coordinator

    def prepare(self, node):
        """Find its stored keys, and whether it writes."""
        if self.stored is not None:
            return
        named = [(db, key) for db, key in self.watched]
        db = self.db
        for row, args in self.commands():
            db = selected(None, row, args, db, len(node.keyspaces))
            named += [(db, key) for key in row.keys_of(args)]
        self.stored = [stored_key(node.keyspaces[db].database, key) for db, key in named]
        self.writes = self.queued is not None or (
            self.row.is_write and not harmless(self)) or self.row.at_coordinator

    @property
    def is_blind(self):
        """Whether it replaces whatever is there, like a plain SET: then any replica may coordinate it, since
        it may meet others of its kind anyway. (How many keys a DEL finds is not exact then.)"""
        return self.row is not None and self.queued is None and (
            self.row.name in BLIND or (self.row.name == "set" and not any(
                word.upper() in CONDITIONS for word in self.args[3:])))

    def commands(self):
        return [(self.row, self.args)] if self.queued is None else self.queued

    @property
    def flags(self):
        """What its coordinator has to know: the protocol's version, and sloppy or not."""
        return (RESP3 if self.resp == 3 else 0) | self.home.line.flags

    def run(self, node, view):
        """The reply value. Raises NeedsDisk while something has to be read."""
        guest = Guest(node, view, self.db, self.resp, self.home)
        try:
            if self.queued is not None:
                return self.run_transaction(node, guest)
            return self.row.handler(guest, self.args)
        except (NeedsDisk, StoreError):
            raise
        except CommandError as error:
            view.begin()
            return error
        except Exception:
            # A bug ends this command and nothing else: its keys must be let go.
            name = "exec" if self.row is None or self.queued is not None else self.row.name
            log.exception("command %s failed", name)
            view.begin()
            return CommandError(
                f"ERR internal error while running '{name}', see the log of its coordinator")

    def run_transaction(self, node, guest):
        keyspaces = guest.node.keyspaces
        for db, key in self.watched:
            keyspaces[db].need([key])
        if any(keyspaces[db].dot(key) != dot for (db, key), dot in self.watched.items()):
            return NULL_ARRAY
        need_all(self, keyspaces)
        replies = [guest.call(row, args) for row, args in self.queued]
        return [OK if reply is NO_REPLY else reply for reply in replies]

    # -- in parts -----------------------------------------------------------------------------

    def by_slot(self):
        """[(Job of one slot, positions of its keys among all), ...]"""
        step = 2 if self.row.name == "mset" else 1
        groups = {}
        for position, at in enumerate(range(1, len(self.args), step)):
            groups.setdefault(slot_of(self.args[at]), []).append((position, at))
        parts = []
        for places in groups.values():
            words = [self.args[0]]
            for _, at in places:
                words += self.args[at:at + step]
            parts.append((Job(self.row, words, self.db, self.resp, self.home, self.levels),
                          [position for position, _ in places]))
        return parts

    def check_pairs(self):
        """MSET stores all pairs or none of them as far as their sizes go."""
        if len(self.args) % 2 == 0:
            raise CommandError("ERR wrong number of arguments for 'mset' command")
        for key, value in zip(self.args[1::2], self.args[2::2], strict=True):
            self.home.keyspace.check_size(len(key), len(value))

    # -- on the wire: see docs/wire-format.md -------------------------------------------------

    def encoded(self):
        """A line of numbers, then the watched dots, then the commands."""
        head = [b"%d" % n for n in (self.db, self.levels.read, self.levels.read_timeout_ms,
                                    int(self.queued is not None), len(self.watched))]
        dots = [[b"%d" % db, key, *dot_words(dot)] for (db, key), dot in self.watched.items()]
        return encoded_commands([head, *dots, *[args for _, args in self.commands()]])


def dot_words(dot):
    return [b"nothing"] if dot is None else [b"%d" % int(n) for n in dot]


def dot_of(words):
    if words == [b"nothing"]:
        return None
    hlc, actor, annotation, expired = map(int, words)
    return hlc, actor, annotation, bool(expired)


def decoded_job(node, body, header):
    """What `Job.encoded` made. Raises CommandError for commands that this version does not have."""
    lines, _ = decoded_commands(body)
    db, read_level, read_timeout_ms, transaction, watched = map(int, lines[0])
    commands = [(row_of(node, words), words) for words in lines[1 + watched:]]
    job = Job(*commands[0], db, 3 if header["flags"] & RESP3 else 2, None, Levels(
        read_level, header["level"], read_timeout_ms, header["timeout_ms"]))
    if transaction:
        job.queued = commands
        job.watched = {(int(words[0]), words[1]): dot_of(words[2:])
                       for words in lines[1:1 + watched]}
    return job


def row_of(node, words):
    row = node.commands.get(words[0].lower())
    if row is not None and row.is_container and len(words) > 1:
        row = row.subcommands.get(words[1].lower())
    if row is None:
        raise CommandError("ERR the coordinator of this key runs a version that does not know "
                           f"'{words[0].decode(errors='replace')}'")
    return row


def selected(client, row, args, db, count=None):
    """The database after a command of a transaction."""
    if row.name != "select" or len(args) != 2 or not args[1].isdigit():
        return db
    count = len(client.node.keyspaces) if count is None else count
    return int(args[1]) if int(args[1]) < count else db


def refused_at_once(reply):
    """Whether a coordinator did nothing at all since it reaches too few replicas (cluster/outcome.py)."""
    return reply.startswith(b"-NOQUORUM ") and reply.endswith(b"; nothing was done\r\n")


def need_all(job, keyspaces):
    """Ask for every key of a transaction at once."""
    db, missing = job.db, False
    for row, args in job.queued:
        db = selected(None, row, args, db, len(keyspaces))
        try:
            keyspaces[db].need(row.keys_of(args))
        except NeedsDisk:
            missing = True
    if missing:
        raise NeedsDisk


def harmless(job):
    """Write commands that only read in this form."""
    return job.row.name == "watch"


def silent(client):
    """Whether CLIENT REPLY swallows the reply."""
    return client.reply_mode != "on"


class Gathered:
    """Replies of several parts: `then([replies], first error)` when all are there."""

    def __init__(self, count, then):
        self.replies, self.missing, self.error, self.then = [None] * count, count, None, then

    def slot(self, number):
        def take(reply, error):
            if error is None and reply is not None and reply[:1] == b"-":
                error = reply[1:-2].decode(errors="replace")
            self.replies[number] = reply
            self.error = self.error or error
            self.missing -= 1
            if self.missing == 0:
                self.then(self.replies, self.error)
        return take


def joined(name, parts, replies, resp3):
    """The reply to the whole command, from those to its parts."""
    if name == "mset":
        return encoded_reply(OK, resp3)
    if name in SUMMED:
        return encoded_reply(sum([int(reply[1:-2]) for reply in replies]), resp3)
    elements = {}
    for (_, positions), reply in zip(parts, replies, strict=True):
        elements.update(zip(positions, split_array(reply), strict=True))
    return b"*%d\r\n" % len(elements) + b"".join([elements[i] for i in range(len(elements))])


def split_array(reply):
    """The elements of an encoded array of bulk strings and nulls, as they stand."""
    at, elements = reply.index(b"\r\n") + 2, []
    while at < len(reply):
        stop = reply.index(b"\r\n", at) + 2
        if reply[at:at + 1] == b"$" and reply[at + 1:at + 2] != b"-":
            stop += int(reply[at + 1:stop - 2]) + 2
        elements.append(reply[at:stop])
        at = stop
    return elements
