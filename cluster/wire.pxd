from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Kind:
    WRITE = 87             # W   store a version                       -> A
    ACKNOWLEDGE = 65       # A
    READ = 82              # R   give the version that you have        -> V
    VERSION = 86           # V
    HINT = 75              # K   keep this for a replica that is down     -> A
    FORWARD = 70           # F   coordinate this blind write           -> O
    OUTCOME = 79           # O
    EXECUTE = 88           # X   run this command                      -> Y
    REPLY = 89             # Y
    BUNDLE = 84            # T   store several versions as one         -> A
    SWEEP = 68             # D   drop a database below a dot           -> A
    GOSSIP = 71            # G   membership                            -> G
    PAGE = 80              # P   names of keys, with their versions    -> Q
    NAMES = 81             # Q
    COMPARE = 77           # M   anti-entropy (repair_format.py)      -> N
    COMPARED = 78          # N

cdef enum Flag:
    TOMBSTONE = 1
    QUIET = 2              # no acknowledgement wanted
    VALUE_LEFT_OUT = 4     # a large value, of which only the version was asked
    VERSION_ONLY = 8       # a value above LARGE_BYTES may be left out
    RESP3 = 16
    STRICT = 32            # sloppy-quorum no
    LAST_ROUND = 64        # a sweep that is not repeated: how new the replica's clock is does not matter
    HINTED = 128           # what is kept for the member (level - 1), which is down

cdef enum Status:
    APPLIED = 0
    SUPERSEDED = 1         # something newer is there: header.hlc says how new
    REFUSED = 2            # the store takes no writes, or cannot read: body says why
    NOTHING = 3            # no version of this key
    DRIFTED = 4            # the hlc is too far ahead of the local clock

cdef packed struct Header:
    uint64_t request       # the sender's number of the request
    uint64_t sent_hlc      # the sender's clock
    uint64_t hlc
    uint64_t actor
    uint64_t deadline_ms
    uint64_t annotation
    uint32_t timeout_ms
    uint16_t level
    uint8_t flags
    uint8_t status

cdef struct Frame:
    char kind
    Header header
    const char* key
    Py_ssize_t key_bytes
    const char* body
    Py_ssize_t body_bytes

cdef enum:
    HEADER_BYTES = 56
    FRAME_BYTES_MAX = 64 << 20

cdef bytes make_frame(char kind, const Header* header, const char* key, Py_ssize_t key_bytes,
                      const char* body, Py_ssize_t body_bytes)
cdef Py_ssize_t take_frame(const char* text, Py_ssize_t size, Frame* out) except -1
cdef bytes version_frame(version)


cdef inline void zero(Header* header) noexcept:
    header.request = header.sent_hlc = header.hlc = header.actor = 0
    header.deadline_ms = header.annotation = 0
    header.timeout_ms = 0
    header.level = 0
    header.flags = header.status = 0
