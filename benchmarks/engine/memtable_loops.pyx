# cython: language_level=3, cdivision=True
"""The engine's C door in a tight loop, as the server calls it. Compiled by memtable.py."""

from engine.engine cimport Engine
from engine.entry cimport PUT, Entry
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_PROCESS_CPUTIME_ID, clock_gettime, timespec

cdef enum:
    KEY_BYTES = 20


cdef double cpu_seconds():
    cdef timespec t
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)
    return t.tv_sec + t.tv_nsec * 1e-9


cdef inline void make_key(char* key, uint64_t i, bint missing) noexcept:
    """As the server's: two bytes of slot, then what looks random."""
    cdef uint64_t mixed = i * <uint64_t>0x9E3779B97F4A7C15
    mixed ^= mixed >> 29
    memset(key, 0, KEY_BYTES)
    memcpy(key, &mixed, 2)
    key[0] = key[0] & 63
    memcpy(key + 4, &mixed, 8)
    memcpy(key + 12, &i, 4)
    key[16] = missing


def put(Engine engine, uint64_t count, uint64_t value_bytes, uint64_t per_commit, uint64_t hlc):
    """CPU ns of write_room + put + the share of commit, over `count` keys."""
    cdef char key[KEY_BYTES]
    cdef char* value = <char*>malloc(value_bytes)
    cdef Entry e
    cdef uint64_t i
    memset(value, 120, value_bytes)
    memset(&e, 0, sizeof(Entry))
    e.key, e.key_bytes, e.value, e.value_bytes = key, KEY_BYTES, value, value_bytes
    e.actor, e.kind = 7, PUT
    start = cpu_seconds()
    for i in range(count):
        make_key(key, i, False)
        e.hlc = hlc + i
        engine.write_room()
        engine.put(&e)
        if i % per_commit == 0:
            engine.commit()
    engine.commit()
    free(value)
    return (cpu_seconds() - start) * 1e9 / count


def lookup(Engine engine, uint64_t count, bint missing):
    """CPU ns of a lookup, over `count` keys."""
    cdef char key[KEY_BYTES]
    cdef Entry e
    cdef uint64_t i, found = 0
    start = cpu_seconds()
    for i in range(count):
        make_key(key, i, missing)
        found += engine.lookup(key, KEY_BYTES, &e)
    assert found == (0 if missing else count)
    return (cpu_seconds() - start) * 1e9 / count


def nothing(uint64_t count):
    """CPU ns of the loop itself."""
    cdef char key[KEY_BYTES]
    cdef uint64_t i, seen = 0
    start = cpu_seconds()
    for i in range(count):
        make_key(key, i, False)
        seen += key[5]
    assert seen != 1
    return (cpu_seconds() - start) * 1e9 / count
