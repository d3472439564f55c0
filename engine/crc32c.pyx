"""CRC32C (Castagnoli, RFC 3720 appendix B.4) of bytes in memory, for code that holds no GIL.

The library is Google's, with the processor's own instructions where it has them (engine/libraries). What
has Python bytes in its hands, and is not hot, calls the package google_crc32c.
"""

from libc.stdint cimport uintptr_t

from engine.libraries import addresses, crc32c_library

ctypedef uint32_t (*extend_t)(uint32_t crc, const void* at, size_t size) noexcept nogil

cdef object library = crc32c_library()
cdef extend_t extend = <extend_t><uintptr_t>addresses(library, ["crc32c_extend"])["crc32c_extend"]


cdef uint32_t crc32c(const void* at, size_t size) noexcept nogil:
    return extend(0, at, size)
