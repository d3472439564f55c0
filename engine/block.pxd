from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Block:
    cdef const char* at        # the block's raw (decompressed, checked) bytes
    cdef uint32_t length
    cdef uint8_t touched       # how many turns of the cache's clock hand it survives
    cdef uint8_t is_meta
    cdef uint64_t number       # table and offset it was read from
    cdef uint64_t offset
    cdef bytes _owner          # holds the memory
