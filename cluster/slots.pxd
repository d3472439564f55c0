from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    SLOTS = 16384
    PREFIX_BYTES = 6       # slot, bucket, database, key length: see keys in slots.pyx
    BUCKET_PREFIX_BYTES = 3    # slot and bucket
    KEY_BYTES_MAX = 65529      # so that a stored key has at most 65,535 bytes

cdef uint16_t key_slot(const uint8_t* key, Py_ssize_t key_bytes) noexcept nogil
cdef uint32_t encode_key(
    uint8_t* out, int database, const uint8_t* key, uint32_t key_bytes) noexcept nogil
