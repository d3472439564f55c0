"""Point reads over the tables of one version: which tables, in which order, and when to stop.

Level 0 is asked newest first, each table that may hold the key; of every deeper level at most one
table, found by bisection. A table is skipped when the dot found so far is above everything in it: so a
key that was written lately costs no look into the old levels. (Equal dots are looked at, since an
EXPIRE gives the same dot a later annotation.)

The version is Python; this is its shadow in C arrays, made once per installed step.
"""

from engine.entry cimport ABSENT, FOUND, NEEDS_DISK, newer
from engine.table cimport Table
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp


cdef inline int compare(const char* a, uint32_t a_bytes, const char* b, uint32_t b_bytes) noexcept nogil:
    cdef int order = memcmp(a, b, a_bytes if a_bytes < b_bytes else b_bytes)
    if order != 0:
        return order
    return (a_bytes > b_bytes) - (a_bytes < b_bytes)


cdef class TableSearch:
    """Keeps its version alive."""

    def __cinit__(self, version):
        cdef Table table
        cdef Place* place
        cdef int i = 0, depth
        tables = version.tables()
        self.version = version
        self.level_count = len(version.levels)
        self.level0_count = len(version.levels[0])
        self.places = <Place*>calloc(len(tables) + 1, sizeof(Place))
        self.level_ends = <int*>calloc(self.level_count, sizeof(int))
        self.keys = []
        if self.places == NULL or self.level_ends == NULL:
            raise MemoryError
        for depth, level in enumerate(version.levels):
            for table in level:
                place = &self.places[i]
                i += 1
                place.table = <void*>table
                least, greatest = table.properties.least_key, table.properties.greatest_key
                self.keys += (least, greatest)
                place.least_key = <bytes>least
                place.least_key_bytes = len(least)
                place.greatest_key = <bytes>greatest
                place.greatest_key_bytes = len(greatest)
                place.greatest_hlc = table.greatest_hlc
                self.greatest_hlc = max(self.greatest_hlc, place.greatest_hlc)
            self.level_ends[depth] = i

    def __dealloc__(self):
        free(self.places)
        free(self.level_ends)

    cdef int lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                    bint found, Loads loads) except -1:
        """FOUND or ABSENT with the newest version in `out`, to which the caller may have brought
        one (`found`). NEEDS_DISK: `loads` knows what is missing, and holds what was passed before (the
        same way once more, so that who misses nothing pays nothing)."""
        cdef Entry other
        cdef int answer = self.find(key, key_bytes, hash, out, found, loads)
        if answer == NEEDS_DISK:
            loads.holding = True
            try:
                self.find(key, key_bytes, hash, &other, False, loads)
            finally:
                loads.holding = False
        return answer

    cdef int find(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                  bint found, Loads loads) except -1:
        cdef int i, depth, low, high, middle
        cdef Place* place
        cdef bint* found_at = &found
        for i in range(self.level0_count):
            place = &self.places[i]
            if (
                compare(key, key_bytes, place.least_key, place.least_key_bytes) >= 0
                and compare(key, key_bytes, place.greatest_key, place.greatest_key_bytes) <= 0
                and self.look_into(place, key, key_bytes, hash, out, found_at, loads) == NEEDS_DISK
            ):
                return NEEDS_DISK
        for depth in range(1, self.level_count):
            low = self.level_ends[depth - 1]
            high = self.level_ends[depth]
            while low < high:
                middle = (low + high) >> 1
                place = &self.places[middle]
                if compare(key, key_bytes, place.greatest_key, place.greatest_key_bytes) > 0:
                    low = middle + 1
                else:
                    high = middle
            if low == self.level_ends[depth]:
                continue
            place = &self.places[low]
            if (
                compare(key, key_bytes, place.least_key, place.least_key_bytes) >= 0
                and self.look_into(place, key, key_bytes, hash, out, found_at, loads) == NEEDS_DISK
            ):
                return NEEDS_DISK
        return FOUND if found else ABSENT

    cdef int look_into(self, Place* place, const char* key, uint32_t key_bytes, uint64_t hash,
                       Entry* out, bint* found, Loads loads) except -1:
        cdef Entry other
        cdef int answer
        if found[0] and out.hlc > place.greatest_hlc:
            return ABSENT
        answer = (<Table>place.table).lookup(key, key_bytes, hash, &other, loads)
        if answer == FOUND and (not found[0] or newer(&other, out)):
            out[0] = other
            found[0] = True
        return answer
