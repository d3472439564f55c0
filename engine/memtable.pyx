"""The memtable: what was written since the last flush, with O(1) point reads.

    shards[hash >> 56] --> slots --> Node --> newest Write --> older Write --> ...
                                      ^  key    value            value
    heads[first 2 key bytes] --> Run of References, the newest --> older Run --> ...

Point reads and writes go through a hash table: open addressing, linear probing, 8 bytes per slot
(16 bits of the hash beside a 48-bit pointer, so that a miss seldom touches a node). It is cut into 256
shards that grow one by one: a single table of four million slots was seen to stop for 350 ms when it
doubled, and that on the event loop.

Order costs nothing until somebody wants it. Each new node is appended to the unsorted array of its
first two key bytes, which in the server are the slot number: a flush sorts many small arrays, a scan
sorts only those it passes. Sorting works on a copy, never in place. The arrays grow by runs that are
never moved or freed, so a thread may read them without the GIL while the loop appends. A head is one
word, Run* << 16 | log2 of its room << 8 | how many References it holds: the writer fills a Reference
and then publishes the word, a reader loads the word first. (All older runs are full.) One word also
because an append then touches no other line of memory than the new Reference's.

Versions. A put with a newer dot overwrites the newest Write in place when the value fits and no
snapshot can see it; otherwise it puts a new Write before it. `pinned_sequence` is the youngest open
snapshot: a Write above it is invisible to all of them, so even under a snapshot a hot key has at
most one version more per snapshot. A thread that reads while such a Write is overwritten sees the old or
the new sequence, both above its own, and goes on to the older version.

Memory per entry beyond key and value: node 16, write 56, slot 8 / (3/8..3/4), reference 16 and its run's
slack: about 115 bytes. benchmarks/engine/memtable.py measures it. docs/decisions/0002-memtable.md
says why not a skip list.
"""

from engine.cursor cimport Cursor
from engine.entry cimport Entry
from engine.murmur cimport key_hash
from engine.record cimport Record, make_record
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove

cdef extern from *:
    """
    /* One writer, many readers: what was filled in before is visible to whoever sees the new value. */
    #define resp_kv_publish(at, value) __atomic_store_n((at), (value), __ATOMIC_RELEASE)
    #define resp_kv_observe(at) __atomic_load_n((at), __ATOMIC_ACQUIRE)
    /* A node, its key and its first Write mostly fill two cache lines. */
    #define resp_kv_prefetch(at) (__builtin_prefetch(at), __builtin_prefetch((char *)(at) + 64))
    #define resp_kv_lowest_bit(word) __builtin_ctzll(word)
    #define resp_kv_leading_zeros(word) __builtin_clzll(word)
    #define resp_kv_big_endian(word) __builtin_bswap64(word)
    """
    void publish_write "resp_kv_publish"(Write** at, Write* value) noexcept nogil
    void publish_word "resp_kv_publish"(uint64_t* at, uint64_t value) noexcept nogil
    Write* observe_write "resp_kv_observe"(Write** at) noexcept nogil
    uint64_t observe_word "resp_kv_observe"(uint64_t* at) noexcept nogil
    void prefetch "resp_kv_prefetch"(void* at) noexcept nogil
    int lowest_bit "resp_kv_lowest_bit"(uint64_t word) noexcept nogil
    int leading_zeros "resp_kv_leading_zeros"(uint64_t word) noexcept nogil
    uint64_t big_endian "resp_kv_big_endian"(uint64_t word) noexcept nogil

cdef enum:
    PREFIXES = 65536
    SHARD_SLOTS = 16           # a shard's first size
    RUN_ROOM_FIRST = 2         # log2: 4 References
    RUN_ROOM_MAX = 6
    PREFETCH = 8               # nodes that a cursor asks the processor for ahead
    TELLING_MIN = 256          # References that make find_telling_bytes worth while
    TELLING_DEPTH_MAX = 256    # bytes of a key after which it gives up
cdef uint64_t POINTER = (<uint64_t>1 << 48) - 1
cdef uint32_t ROOM_MAX = (1 << 24) - 1
cdef uint64_t EVERYTHING = ~<uint64_t>0


cdef inline char* key_of(Node* node) noexcept nogil:
    return <char*>node + sizeof(Node)


cdef inline char* value_of(Write* write) noexcept nogil:
    return <char*>write + sizeof(Write)


cdef inline uint32_t room_of(Write* write) noexcept nogil:
    return (write.room_and_kind >> 8) << 3


cdef inline int prefix_of(const char* key, uint32_t key_bytes) noexcept nogil:
    if key_bytes >= 2:
        return <int><uint8_t>key[0] << 8 | <uint8_t>key[1]
    return <int><uint8_t>key[0] << 8 if key_bytes else 0


cdef inline uint64_t word_at(const char* key, uint32_t key_bytes, uint32_t at) noexcept nogil:
    """Eight bytes of the key as a number, padded with zeros."""
    cdef uint64_t word = 0
    if key_bytes >= at + 8:
        memcpy(&word, key + at, 8)
    elif key_bytes > at:
        memcpy(&word, key + at, key_bytes - at)
    return big_endian(word)


cdef inline int compare_keys(const char* a, uint32_t a_bytes, const char* b,
                             uint32_t b_bytes) noexcept nogil:
    cdef int order = memcmp(a, b, a_bytes if a_bytes < b_bytes else b_bytes)
    if order != 0:
        return order
    return (a_bytes > b_bytes) - (a_bytes < b_bytes)


cdef int compare_references(const void* left, const void* right) noexcept nogil:
    cdef Reference* a = <Reference*>left
    cdef Reference* b = <Reference*>right
    if a.next8 != b.next8:
        return 1 if a.next8 > b.next8 else -1
    return compare_keys(key_of(a.node), a.node.key_bytes, key_of(b.node), b.node.key_bytes)


cdef inline void fill_write(Write* write, const Entry* e, uint64_t sequence) noexcept nogil:
    # memmove: an EXPIRE rewrites a record with the value it has just borrowed from here.
    memmove(value_of(write), e.value, e.value_bytes)
    write.hlc = e.hlc
    write.actor = e.actor
    write.deadline_ms = e.deadline_ms
    write.annotation = e.annotation
    write.value_bytes = e.value_bytes
    write.room_and_kind = (write.room_and_kind & ~<uint32_t>0xff) | e.kind
    write.sequence = sequence


cdef inline void fill_entry(Entry* out, Node* node, Write* write) noexcept nogil:
    out.key = key_of(node)
    out.key_bytes = node.key_bytes
    out.value = value_of(write)
    out.value_bytes = write.value_bytes
    out.hlc = write.hlc
    out.actor = write.actor
    out.deadline_ms = write.deadline_ms
    out.annotation = write.annotation
    out.kind = write.room_and_kind & 0xff


cdef class Memtable:
    """One writer (with the GIL), any number of cursors without it. After `seal`, nobody writes."""

    def __cinit__(self, size_t chunk_bytes=2 << 20):
        self.arena = Arena(chunk_bytes)
        self.heads = <uint64_t*>calloc(PREFIXES, sizeof(uint64_t))
        if self.heads == NULL:
            raise MemoryError
        self.table_bytes = 0
        self.least_hlc = EVERYTHING

    def __dealloc__(self):
        self.release()

    cdef int put(self, Node* node, const Entry* e, uint64_t hash, uint64_t sequence) except -1:
        """Stores `e`, which supersedes what is here. `node` is what find() said of its key."""
        cdef Write* write
        cdef Write* older
        if node == NULL:
            self.insert(e, hash).newest.sequence = sequence
        else:
            write = node.newest
            if write.sequence > self.pinned_sequence and e.value_bytes <= room_of(write):
                fill_write(write, e, sequence)
            else:
                # No snapshot sees a Write above the pin: the chain need not keep it.
                older = write.older if write.sequence > self.pinned_sequence else write
                write = self.make_write(e, sequence)
                write.older = older if self.pinned_sequence else NULL
                publish_write(&node.newest, write)
        if e.hlc > self.greatest_hlc or (
            e.hlc == self.greatest_hlc and e.actor > self.greatest_actor
        ):
            self.greatest_hlc = e.hlc
            self.greatest_actor = e.actor
        if e.hlc < self.least_hlc:
            self.least_hlc = e.hlc
        if self.first_sequence == 0:
            self.first_sequence = sequence
        self.last_sequence = sequence
        return 0

    cdef Node* find(self, const char* key, uint32_t key_bytes, uint64_t hash) noexcept:
        cdef Shard* shard = &self.shards[hash >> 56]
        cdef uint64_t slot, tag = (hash >> 40) & 0xffff
        cdef uint32_t at
        cdef Node* node
        if shard.slots == NULL:
            return NULL
        at = <uint32_t>hash & shard.mask
        while True:
            slot = shard.slots[at]
            if slot == 0:
                return NULL
            if slot >> 48 == tag:
                node = <Node*>(slot & POINTER)
                if node.key_bytes == key_bytes and memcmp(key_of(node), key, key_bytes) == 0:
                    return node
            at = (at + 1) & shard.mask

    cdef bint lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out) noexcept:
        """The newest version of the key, a tombstone included."""
        cdef Node* node = self.find(key, key_bytes, hash)
        if node == NULL:
            return False
        fill_entry(out, node, node.newest)
        return True

    cdef bint lookup_at(self, const char* key, uint32_t key_bytes, uint64_t hash,
                        uint64_t sequence, Entry* out) noexcept:
        """The version that a snapshot of that sequence sees."""
        cdef Node* node = self.find(key, key_bytes, hash)
        cdef Write* write
        if node == NULL:
            return False
        write = node.newest
        while write != NULL and write.sequence > sequence:
            write = write.older
        if write == NULL:
            return False
        fill_entry(out, node, write)
        return True

    cdef Node* insert(self, const Entry* e, uint64_t hash) except NULL:
        """A node for a new key, with key, Write and value side by side in memory."""
        cdef Shard* shard = &self.shards[hash >> 56]
        cdef size_t key_room = (e.key_bytes + 7) & ~<size_t>7
        cdef size_t value_room = (<size_t>e.value_bytes + 7) & ~<size_t>7
        cdef Node* node
        cdef Write* write
        cdef uint32_t at
        if shard.slots == NULL or shard.used * 4 >= (shard.mask + 1) * 3:
            self.grow(shard)
        node = <Node*>self.arena.allocate(sizeof(Node) + key_room + sizeof(Write) + value_room)
        node.hash = <uint32_t>hash
        node.key_bytes = e.key_bytes
        memcpy(key_of(node), e.key, e.key_bytes)
        write = <Write*>(key_of(node) + key_room)
        write.older = NULL
        write.room_and_kind = (ROOM_MAX if value_room >> 3 > ROOM_MAX else value_room >> 3) << 8
        fill_write(write, e, EVERYTHING)
        node.newest = write
        self.refer(node, e.key, e.key_bytes)
        at = node.hash & shard.mask
        while shard.slots[at]:
            at = (at + 1) & shard.mask
        shard.slots[at] = (hash >> 40 & 0xffff) << 48 | <uint64_t>node
        shard.used += 1
        self.count += 1
        return node

    cdef Write* make_write(self, const Entry* e, uint64_t sequence) except NULL:
        cdef size_t room = (<size_t>e.value_bytes + 7) & ~<size_t>7
        cdef Write* write = <Write*>self.arena.allocate(sizeof(Write) + room)
        write.room_and_kind = (ROOM_MAX if room >> 3 > ROOM_MAX else room >> 3) << 8
        fill_write(write, e, sequence)
        return write

    cdef int grow(self, Shard* shard) except -1:
        """Doubles one shard: at most some ten thousand entries are placed anew."""
        cdef uint32_t old_count = shard.mask + 1 if shard.slots != NULL else 0
        cdef uint32_t count = old_count * 2 if old_count else SHARD_SLOTS
        cdef uint64_t* slots = <uint64_t*>calloc(count, sizeof(uint64_t))
        cdef uint32_t i, at
        if slots == NULL:
            raise MemoryError
        for i in range(old_count):
            if shard.slots[i]:
                at = (<Node*>(shard.slots[i] & POINTER)).hash & (count - 1)
                while slots[at]:
                    at = (at + 1) & (count - 1)
                slots[at] = shard.slots[i]
        free(shard.slots)
        shard.slots = slots
        shard.mask = count - 1
        self.table_bytes += (count - old_count) * sizeof(uint64_t)
        return 0

    cdef int refer(self, Node* node, const char* key, uint32_t key_bytes) except -1:
        """Appends the node to the array of its prefix."""
        cdef int prefix = prefix_of(key, key_bytes)
        cdef uint64_t head = self.heads[prefix]
        cdef uint64_t used = head & 0xff, room = head >> 8 & 0xff
        cdef Run* run = <Run*>(head >> 16)
        cdef Run* older = run
        cdef Reference* reference
        if run == NULL or used == <uint64_t>1 << room:
            room = RUN_ROOM_FIRST if run == NULL else min(room + 1, <uint64_t>RUN_ROOM_MAX)
            used = 0
            run = <Run*>self.arena.allocate(sizeof(Run) + (sizeof(Reference) << room))
            run.older = older
            run.older_used = 1 << (head >> 8 & 0xff)
        reference = <Reference*>(<char*>run + sizeof(Run)) + used
        reference.next8 = word_at(key, key_bytes, 2)
        reference.node = node
        publish_word(&self.heads[prefix], <uint64_t>run << 16 | room << 8 | (used + 1))
        if older == NULL:
            publish_word(&self.filled[prefix >> 6],
                         self.filled[prefix >> 6] | <uint64_t>1 << (prefix & 63))
        return 0

    cdef uint64_t bytes_used(self) noexcept:
        """Memory that the entries take, as compared with Options.memtable_bytes."""
        return self.arena.used_bytes + self.table_bytes

    cdef MemtableCursor cursor(self, uint64_t sequence):
        """Over what had been written up to `sequence`; the caller pins the memtable meanwhile,
        unless nobody can write to it."""
        cdef MemtableCursor cursor = MemtableCursor.__new__(MemtableCursor)
        cursor.memtable = self
        cursor.sequence = sequence
        return cursor

    cdef void pin(self, uint64_t sequence) noexcept:
        """A snapshot that sees everything up to `sequence` begins."""
        self.pins += 1
        self.pinned_sequence = sequence

    cdef int unpin(self) except -1:
        self.pins -= 1
        if self.pins == 0:
            self.pinned_sequence = 0
            if self.retired:
                with nogil:
                    self.release()
        return 0

    cdef int retire(self) except -1:
        """The engine is done with it: memory goes back now, or with the last snapshot."""
        self.retired = True
        if self.pins == 0:
            with nogil:
                self.release()
        return 0

    # For Python: tools and tests.

    def store(self, Record record, uint64_t sequence):
        """True when stored, False when what is here has the same dot or a newer one."""
        cdef Entry e
        cdef uint64_t hash
        cdef Node* node
        e.key, e.key_bytes = record.key, len(record.key)
        e.value, e.value_bytes = record.value, len(record.value)
        e.hlc, e.actor = record.hlc, record.actor
        e.deadline_ms, e.annotation = record.deadline_ms, record.annotation
        e.kind = record.kind
        hash = key_hash(e.key, e.key_bytes)
        node = self.find(e.key, e.key_bytes, hash)
        if node != NULL and not supersedes(&e, node.newest):
            return False
        self.put(node, &e, hash, sequence)
        return True

    def get(self, bytes key, uint64_t sequence=EVERYTHING):
        """The Record that a snapshot of that sequence sees, or None."""
        cdef Entry e
        if self.lookup_at(key, len(key), key_hash(key, len(key)), sequence, &e):
            return make_record(&e)

    def records(self, uint64_t sequence=EVERYTHING, bytes start=b""):
        """Generates the Records from `start` on that a snapshot of that sequence sees."""
        cdef MemtableCursor cursor = self.cursor(sequence)
        cursor.seek(start, len(start))
        while cursor.valid:
            yield make_record(&cursor.entry)
            cursor.advance()

    def hold(self, uint64_t sequence):
        """pin() for Python; undo it with let_go()."""
        self.pin(sequence)

    def let_go(self):
        self.unpin()

    @property
    def bytes(self):
        return self.bytes_used()

    cdef void release(self) noexcept nogil:
        cdef int i
        for i in range(256):
            free(self.shards[i].slots)
            self.shards[i].slots = NULL
        free(self.heads)
        self.heads = NULL
        if self.arena is not None:
            self.arena.release()


cdef class MemtableCursor(Cursor):
    """Ascending over the versions that one sequence sees, one bucket sorted at a time."""

    def __cinit__(self):
        self.prefix = PREFIXES

    def __dealloc__(self):
        free(self.sorted)

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef int prefix = prefix_of(key, key_bytes)
        self.load(prefix)
        self.at = self.place_of(key, key_bytes) if self.prefix == prefix else 0
        return self.settle()

    cdef uint32_t place_of(self, const char* key, uint32_t key_bytes) noexcept nogil:
        """How many keys of the bucket at hand are below `key`."""
        cdef uint32_t low = 0, high = self.count, middle
        cdef Reference* r
        while low < high:
            middle = (low + high) >> 1
            r = &self.sorted[middle]
            if compare_keys(key_of(r.node), r.node.key_bytes, key, key_bytes) < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int advance(self) except -1 nogil:
        self.at += 1
        return self.settle()

    cdef bint show(self) noexcept nogil:
        """Shows the node at `at`, if it has a visible version."""
        cdef Node* node = self.sorted[self.at].node
        cdef Write* write = observe_write(&node.newest)
        while write != NULL and write.sequence > self.sequence:
            write = write.older
        if write == NULL:
            return False
        fill_entry(&self.entry, node, write)
        self.valid = True
        return True

    cdef int prefix_up_to(self, const char* key, uint32_t key_bytes) noexcept nogil:
        """The last bucket with anything that may be below `key` (empty: no bound), or -1."""
        return self.filled_up_to(prefix_of(key, key_bytes) if key_bytes else PREFIXES - 1)

    cdef int filled_up_to(self, int prefix) noexcept nogil:
        """The last bucket up to that prefix that holds anything, or -1."""
        cdef int index = prefix >> 6
        cdef uint64_t word
        if prefix < 0 or self.memtable.heads == NULL:
            return -1
        word = observe_word(&self.memtable.filled[index]) & (EVERYTHING >> (63 - (prefix & 63)))
        while word == 0:
            index -= 1
            if index < 0:
                return -1
            word = observe_word(&self.memtable.filled[index])
        return index * 64 + 63 - leading_zeros(word)

    cdef int settle(self) except -1 nogil:
        """Moves on to the first reference, from `at`, whose node has a visible version."""
        while self.prefix < PREFIXES:
            while self.at < self.count:
                if self.at + PREFETCH < self.count:
                    prefetch(self.sorted[self.at + PREFETCH].node)
                if self.show():
                    return 0
                self.at += 1
            self.load(self.prefix + 1)
            self.at = 0
        self.valid = False
        return 0

    cdef int load(self, int prefix) except -1 nogil:
        """Copies and sorts the first bucket from `prefix` on that holds anything."""
        cdef uint64_t word, head
        cdef int index
        cdef Run* run
        cdef uint32_t total = 0, used, room
        cdef Reference* larger
        self.count = 0
        self.prefix = PREFIXES
        if prefix >= PREFIXES or self.memtable.heads == NULL:
            return 0
        index = prefix >> 6
        word = observe_word(&self.memtable.filled[index]) & (EVERYTHING << (prefix & 63))
        while word == 0:
            index += 1
            if index == PREFIXES // 64:
                return 0
            word = observe_word(&self.memtable.filled[index])
        self.prefix = index * 64 + lowest_bit(word)
        head = observe_word(&self.memtable.heads[self.prefix])
        run = <Run*>(head >> 16)
        used = head & 0xff
        while run != NULL:
            if total + used > self.room:
                room = (total + used) * 2
                larger = <Reference*>realloc(self.sorted, room * sizeof(Reference))
                if larger == NULL:
                    with gil:
                        raise MemoryError
                self.sorted = larger
                self.room = room
            memcpy(self.sorted + total, <char*>run + sizeof(Run), used * sizeof(Reference))
            total += used
            used = run.older_used
            run = run.older
        self.count = total
        if total > 1:
            if total >= TELLING_MIN:
                self.find_telling_bytes()
            qsort(self.sorted, total, sizeof(Reference), compare_references)
        for used in range(min(total, <uint32_t>PREFETCH)):
            prefetch(self.sorted[used].node)
        return 0

    cdef void find_telling_bytes(self) noexcept nogil:
        """Where keys differ late, the copied References get eight later bytes to be told apart by:
        most comparisons need no look at the nodes then. What is skipped is alike in all of them."""
        cdef uint64_t differing
        cdef uint32_t skipped = 2, i
        cdef Node* node
        while True:
            differing = 0
            for i in range(1, self.count):
                differing |= self.sorted[i].next8 ^ self.sorted[0].next8
            if differing >> 32 or skipped >= TELLING_DEPTH_MAX:
                return
            skipped += (leading_zeros(differing) >> 3) if differing else 8
            for i in range(self.count):
                if i + PREFETCH < self.count:
                    prefetch(self.sorted[i + PREFETCH].node)
                node = self.sorted[i].node
                self.sorted[i].next8 = word_at(key_of(node), node.key_bytes, skipped)


def hash_of(bytes key):
    """key_hash for Python."""
    return key_hash(key, len(key))
