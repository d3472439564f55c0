"""Gossip: one row for each member, owned by that member, spread by random meetings.

Every period a node raises the heartbeat in its own row and meets a few random members. A meeting is a
message and its answer, and each side learns what the other knew better:

    A -> B   marks (member, generation, heartbeat, version) of the rows that A knows freshest,
             and rows whose content is news
    B -> A   marks that are fresher than A's, and rows of which A showed an old version

A row with the greater (generation, heartbeat) is fresher: no clocks are compared. `version` counts the
changes of a row's content (address, suspects, epoch) within a generation, so a heartbeat costs a few
bytes per meeting and the content travels only when it changed: pushed for a few meetings while it is
news, pulled by version by whoever missed that.

A heartbeat begins at the number of periods that the wall clock shows. Nobody reads the time in it; but so
the heartbeats of members that have run for a day and for a year differ by little, and a column of
them is one or two bytes wide.

Traffic stays flat: a message carries at most `marks_max` marks, whatever the size of the cluster. With
more members than that, half of them are those whose heartbeat was learnt last (a young rumour is news
to many), half are drawn from the rest (so that none is forgotten); the answer skips what the opening
mentioned. A heartbeat then no longer reaches everybody in each period; members that were not heard of
for two periods are asked directly (`cluster.membership`), which is certain and, there being few, cheap.

Sources: van Renesse, Minsky, Hayden, "A Gossip-Style Failure Detection Service", 1998 (heartbeat
counters, random meetings); Cassandra's Gossiper (generation and version, digests).
"""

from cluster.gossip_format import Content, Mark, encode_content, encode_round

ROWS_MAX = 16            # whole rows in one message
TELLINGS = 4             # messages of each node that bring a piece of news; the rest is pulled
HEARTBEAT_MAX = 1 << 31
FIRST_HEARTBEAT_MAX = 1 << 30  # leaves 34 years of seconds to count on


class Row:
    """What is known of one member. `place` is its newest address, `suspects` the
    (member, generation, heartbeat) triples that it reports. Version 0 means that all is as in the
    document and nobody is suspected, so that a start sends no rows about."""

    __slots__ = ("place", "generation", "heartbeat", "version", "epoch", "max_hlc", "suspects")

    def __init__(self, place, epoch):
        self.place, self.epoch = place, epoch
        self.generation = self.heartbeat = self.version = self.max_hlc = 0
        self.suspects = ()


class Table:
    """The rows of all members of one document, and what of them the next message should carry."""

    def __init__(self, document, me, place, generation, marks_max, heartbeat=0):
        self.document, self.me, self.marks_max = document, me, marks_max
        self.rows = [Row(member, document.epoch) for member in document.members]
        self.node_ids = [member.node_id for member in document.members]
        self.fresh = {member: None for member in range(len(self.rows))}  # freshest last
        self.news = {}        # member -> messages that still bring its row
        self.moved = []       # members whose address changed; whoever acts on that empties it
        self.newer_self = 0   # a generation of this node, greater than its own, that somebody has met
        self.rows[me].generation, self.rows[me].heartbeat = generation, heartbeat
        self.publish(place, ())

    def beat(self, max_hlc):
        """A new period: this node is alive."""
        mine = self.rows[self.me]
        mine.heartbeat = min(mine.heartbeat + 1, HEARTBEAT_MAX)
        mine.max_hlc = max_hlc
        self.touch(self.me)

    def publish(self, place, suspects):
        """Change the content of this node's own row; False if it was so already."""
        mine = self.rows[self.me]
        if (mine.place, mine.suspects) == (place, suspects):
            return False
        mine.place, mine.suspects = place, suspects
        mine.version += 1
        self.news[self.me] = TELLINGS
        return True

    def opening(self, kind, header, random):
        """The message that begins a meeting; each call is one telling of the news."""
        told = list(self.news)[:ROWS_MAX]
        for member in told:
            left = self.news.pop(member) - 1
            if left:
                self.news[member] = left  # behind the others: all get their turn
        chosen = list(self.fresh)
        if len(chosen) > self.marks_max:
            half = self.marks_max // 2
            chosen = chosen[-half:] + random.sample(chosen[:-half], self.marks_max - half)
        return encode_round(kind, header, [self.mark(member) for member in chosen],
                            [self.content(member) for member in told])

    def answer(self, kind, header, marks):
        """What the sender of these marks does not know, as far as they show."""
        theirs = {mark[0]: mark for mark in marks}
        fresher = []
        for member in reversed(self.fresh):
            row = self.rows[member]
            known = theirs.get(member)
            if known is None or (row.generation, row.heartbeat) > (known[1], known[2]):
                fresher.append(self.mark(member))
                if len(fresher) == self.marks_max:
                    break
        outdated = [mark[0] for mark in marks
                    if (mark[1], mark[3]) < (self.rows[mark[0]].generation, self.rows[mark[0]].version)]
        unseen = [member for member in self.news if member not in theirs]
        wanted = (outdated + unseen)[:ROWS_MAX]
        return encode_round(kind, header, fresher, [self.content(member) for member in wanted])

    def merge(self, marks, contents):
        """Take in what another node knows. Returns the members that turn out to live (a fresher
        heartbeat) and those whose content is new."""
        lively = [mark[0] for mark in marks if self.advance(*mark[:3])]
        lively += [content.mark.member for content in contents if self.advance(*content.mark[:3])]
        changed = [content.mark.member for content in contents if self.replace(content)]
        return lively, changed

    def advance(self, member, generation, heartbeat):
        """True if that is the freshest heartbeat of the member so far."""
        row = self.rows[member]
        if (generation, heartbeat) <= (row.generation, row.heartbeat) or heartbeat > HEARTBEAT_MAX:
            return False
        if member == self.me:
            self.correct_self(generation, heartbeat)
            return False
        if generation != row.generation:
            row.generation, row.version, row.suspects = generation, 0, ()
            self.move(member, self.document.members[member])
        row.heartbeat = heartbeat
        self.touch(member)
        return True

    def correct_self(self, generation, heartbeat):
        """Somebody knows more of this node than it does itself. In its own generation its heartbeat
        passes that number, or nobody would believe it; a greater generation is a second process."""
        mine = self.rows[self.me]
        if generation == mine.generation:
            mine.heartbeat = heartbeat
        else:
            self.newer_self = max(self.newer_self, generation)

    def replace(self, content):
        member, generation, _, version = content.mark
        row = self.rows[member]
        if member == self.me or generation != row.generation or version <= row.version:
            return False
        self.move(member, content.place)
        row.epoch, row.max_hlc = content.epoch, content.max_hlc
        row.version, row.suspects = version, content.suspects
        self.news[member] = TELLINGS
        return True

    def move(self, member, place):
        if self.rows[member].place != place:
            self.rows[member].place = place
            self.moved.append(member)

    def touch(self, member):
        del self.fresh[member]
        self.fresh[member] = None

    def mark(self, member):
        row = self.rows[member]
        return member, row.generation, row.heartbeat, row.version

    def content(self, member):
        row = self.rows[member]
        return encode_content(Content(
            Mark(*self.mark(member)), row.place, row.epoch, row.max_hlc, row.suspects))

    def inherit(self, older):
        """Take over from the table of an older document what is known of the members in both."""
        index_of = [self.document.indices.get(node_id, -1) for node_id in older.node_ids]
        for was, row in enumerate(older.rows):
            now = index_of[was]
            if now < 0 or now == self.me:
                continue
            self.rows[now] = row
            row.suspects = tuple((index_of[target], generation, heartbeat)
                                 for target, generation, heartbeat in row.suspects if index_of[target] >= 0)
            if row.version == 0 and row.place != self.document.members[now]:
                self.move(now, self.document.members[now])
        mine, was = self.rows[self.me], older.rows[older.me]
        mine.heartbeat, mine.version = was.heartbeat, was.version + 1
        self.news[self.me] = TELLINGS
        return index_of
