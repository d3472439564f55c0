from cluster.plan cimport Plan
from cluster.quorum cimport Need
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum RequestKind:
    WRITING = 0
    READING = 1
    FORWARDED = 2          # another node coordinates our blind write
    EXECUTED = 3           # another node runs a command for us

cdef enum Result:
    OPEN = 0
    SUCCESS = 1
    NO_QUORUM = 2          # not enough replicas; `acks` says who has taken a write all the same
    TIMED_OUT = 3          # for a write: it may have happened
    FAILED = 4             # refused as a whole, `text` says why; nothing happened
    OVERTAKEN = 5          # the coordinator has something newer: stamp again


cdef class Sink:
    cdef int done(self, Request request) except -1


cdef class Request:
    cdef readonly uint64_t id
    cdef readonly int kind
    cdef Sink sink
    cdef readonly Plan plan
    cdef readonly Need need
    cdef readonly bytes key                # stored key; of a bundle: the first
    cdef readonly list changes             # of a bundle: all of them
    # the version that is written, or was read
    cdef readonly bytes value
    cdef readonly uint64_t hlc, actor, deadline_ms, annotation
    cdef readonly bint tombstone, found
    # the count
    cdef readonly uint32_t acks, open, older, refused, asked, equal, stale
    cdef readonly uint32_t hedged          # replicas that were asked because others took long
    cdef readonly uint32_t hinted          # replicas for which a hint is kept, in the log
    cdef readonly uint32_t hint_open       # that are to keep one, not yet known
    cdef readonly uint32_t own_hints       # of those: kept by this node
    cdef readonly bint sloppy              # hints count for its level
    cdef readonly uint32_t touched         # replicas that may have taken a write, in any round
    cdef readonly bint forwarded           # another node may have coordinated it, too
    cdef readonly uint64_t newest_hlc
    cdef readonly int rounds, result, target
    cdef readonly str text
    cdef readonly bint cold
    cdef readonly uint32_t cold_hints      # replicas whose hints this node has to read from the disk
    cdef readonly bint stamped_elsewhere   # by the node that forwarded it
    cdef readonly uint16_t level
    cdef readonly uint8_t flags
    cdef readonly uint32_t timeout_ms
    cdef readonly uint64_t began_ms, expires_ms
    # its place in the queue of time-outs
    cdef Request earlier, later
    cdef Queue queue


cdef class Queue:
    cdef Request first, last
    cdef int append(self, Request request) except -1
    cdef int remove(self, Request request) except -1
