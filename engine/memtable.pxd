from engine.arena cimport Arena
from engine.cursor cimport Cursor
from engine.entry cimport Entry
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef struct Write:
    Write* older               # the version that this one replaced while a snapshot could see it
    uint64_t sequence
    uint64_t hlc
    uint64_t actor
    uint64_t deadline_ms
    uint64_t annotation
    uint32_t value_bytes
    uint32_t room_and_kind     # room for the value in units of 8 bytes << 8 | kind
    # the value follows


cdef struct Node:
    Write* newest
    uint32_t hash              # low half of key_hash
    uint32_t key_bytes
    # the key follows


cdef struct Reference:
    uint64_t next8             # key bytes 2..9, big-endian, padded with zeros
    Node* node


cdef struct Run:
    Run* older                 # full
    uint64_t older_used        # its References
    # Reference[room] follows


cdef struct Shard:
    uint64_t* slots            # 0 or (16 bits of the hash << 48 | Node*)
    uint32_t mask
    uint32_t used


cdef inline bint supersedes(const Entry* e, Write* write) noexcept nogil:
    if e.hlc != write.hlc:
        return e.hlc > write.hlc
    if e.actor != write.actor:
        return e.actor > write.actor
    if e.annotation != write.annotation:
        return e.annotation > write.annotation
    return e.deadline_ms > write.deadline_ms


cdef class Memtable:
    cdef Arena arena
    cdef Shard shards[256]
    cdef uint64_t* heads       # per first two key bytes: the newest Run, its room and use
    cdef uint64_t filled[1024]         # one bit per head that is not NULL
    cdef uint64_t table_bytes  # memory of the shards and heads
    cdef readonly uint64_t count       # keys
    cdef readonly uint64_t greatest_hlc, greatest_actor, least_hlc
    cdef readonly uint64_t first_sequence, last_sequence
    cdef uint64_t pinned_sequence
    cdef readonly int pins
    cdef bint retired
    cdef int put(self, Node* node, const Entry* e, uint64_t hash, uint64_t sequence) except -1
    cdef Node* find(self, const char* key, uint32_t key_bytes, uint64_t hash) noexcept
    cdef bint lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out) noexcept
    cdef bint lookup_at(self, const char* key, uint32_t key_bytes, uint64_t hash,
                        uint64_t sequence, Entry* out) noexcept
    cdef uint64_t bytes_used(self) noexcept
    cdef Write* make_write(self, const Entry* e, uint64_t sequence) except NULL
    cdef Node* insert(self, const Entry* e, uint64_t hash) except NULL
    cdef int grow(self, Shard* shard) except -1
    cdef int refer(self, Node* node, const char* key, uint32_t key_bytes) except -1
    cdef void pin(self, uint64_t sequence) noexcept
    cdef int unpin(self) except -1
    cdef int retire(self) except -1
    cdef void release(self) noexcept nogil
    cdef MemtableCursor cursor(self, uint64_t sequence)


cdef class MemtableCursor(Cursor):
    cdef Memtable memtable
    cdef uint64_t sequence
    cdef int prefix            # the bucket that `sorted` holds, 65536: past the last
    cdef Reference* sorted
    cdef uint32_t room, count, at
    cdef int load(self, int prefix) except -1 nogil
    cdef uint32_t place_of(self, const char* key, uint32_t key_bytes) noexcept nogil
    cdef bint show(self) noexcept nogil
    cdef int prefix_up_to(self, const char* key, uint32_t key_bytes) noexcept nogil
    cdef int filled_up_to(self, int prefix) noexcept nogil
    cdef void find_telling_bytes(self) noexcept nogil
    cdef int settle(self) except -1 nogil
