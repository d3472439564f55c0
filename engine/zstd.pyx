"""Zstandard frames (RFC 8878) for code that holds no GIL: the library's own stable functions.

A Compressor or Decompressor is for one thread at a time; a Dictionary is read by any number. Contexts are
kept, since making one costs more than a block.
"""

from libc.stdint cimport uintptr_t

from engine.libraries import addresses, zstd_library

ctypedef void* (*make_t)() noexcept nogil
ctypedef size_t (*free_t)(void* made) noexcept nogil
ctypedef size_t (*set_t)(void* context, int parameter, int value) noexcept nogil
ctypedef size_t (*load_t)(void* context, const void* at, size_t size) noexcept nogil
ctypedef size_t (*bound_t)(size_t size) noexcept nogil
ctypedef size_t (*work_t)(void* context, void* out, size_t room, const void* at, size_t size) noexcept nogil
ctypedef size_t (*work_with_t)(void* context, void* out, size_t room, const void* at, size_t size,
                               const void* dictionary) noexcept nogil
ctypedef void* (*make_dictionary_t)(const void* at, size_t size) noexcept nogil
ctypedef unsigned long long (*content_t)(const void* at, size_t size) noexcept nogil
ctypedef unsigned int (*is_error_t)(size_t code) noexcept nogil
ctypedef const char* (*error_name_t)(size_t code) noexcept nogil

cdef enum:                          # zstd.h, ZSTD_cParameter
    COMPRESSION_LEVEL = 100
    DICTIONARY_ID_FLAG = 202

DICTIONARY_MAGIC = b"\x37\xa4\x30\xec"

cdef object library = zstd_library()
cdef dict found = addresses(library, [
    "ZSTD_createCCtx", "ZSTD_freeCCtx", "ZSTD_CCtx_setParameter", "ZSTD_CCtx_loadDictionary",
    "ZSTD_compress2", "ZSTD_compressBound", "ZSTD_createDCtx", "ZSTD_freeDCtx", "ZSTD_decompressDCtx",
    "ZSTD_createDDict", "ZSTD_freeDDict", "ZSTD_decompress_usingDDict", "ZSTD_getFrameContentSize",
    "ZSTD_isError", "ZSTD_getErrorName"])
cdef make_t create_compressor = <make_t><uintptr_t>found["ZSTD_createCCtx"]
cdef free_t free_compressor = <free_t><uintptr_t>found["ZSTD_freeCCtx"]
cdef set_t set_parameter = <set_t><uintptr_t>found["ZSTD_CCtx_setParameter"]
cdef load_t load_dictionary = <load_t><uintptr_t>found["ZSTD_CCtx_loadDictionary"]
cdef work_t compress2 = <work_t><uintptr_t>found["ZSTD_compress2"]
cdef bound_t compress_bound = <bound_t><uintptr_t>found["ZSTD_compressBound"]
cdef make_t create_decompressor = <make_t><uintptr_t>found["ZSTD_createDCtx"]
cdef free_t free_decompressor = <free_t><uintptr_t>found["ZSTD_freeDCtx"]
cdef work_t decompress_plain = <work_t><uintptr_t>found["ZSTD_decompressDCtx"]
cdef make_dictionary_t create_dictionary = <make_dictionary_t><uintptr_t>found["ZSTD_createDDict"]
cdef free_t free_dictionary = <free_t><uintptr_t>found["ZSTD_freeDDict"]
cdef work_with_t decompress_with = <work_with_t><uintptr_t>found["ZSTD_decompress_usingDDict"]
cdef content_t frame_content_size = <content_t><uintptr_t>found["ZSTD_getFrameContentSize"]
cdef is_error_t is_error = <is_error_t><uintptr_t>found["ZSTD_isError"]
cdef error_name_t error_name = <error_name_t><uintptr_t>found["ZSTD_getErrorName"]


cdef class Compressor:
    """At that level (any int, Zstandard bounds it), with a trained dictionary or without one; its number is
    not stored in the frames. ValueError."""

    def __cinit__(self, int level, bytes dictionary=None):
        cdef size_t code
        self.context = create_compressor()
        if self.context == NULL:
            raise MemoryError
        code = set_parameter(self.context, COMPRESSION_LEVEL, level)
        if not is_error(code):
            code = set_parameter(self.context, DICTIONARY_ID_FLAG, 0)
        if not is_error(code) and dictionary is not None:
            code = load_dictionary(self.context, <const char*>dictionary, len(dictionary))
        if is_error(code):
            raise ValueError(error_name(code).decode())

    def __dealloc__(self):
        free_compressor(self.context)

    cdef size_t bound(self, size_t size) noexcept nogil:
        """How long a frame of so many bytes may get."""
        return compress_bound(size)

    cdef ssize_t compress(self, char* out, size_t room, const char* at, size_t size) except -1 nogil:
        """The length of the frame, which names its contents'. `room`: at least bound(size). MemoryError."""
        cdef size_t code = compress2(self.context, out, room, at, size)
        if is_error(code):
            with gil:
                raise MemoryError(f"Zstandard: {error_name(code).decode()}")
        return <ssize_t>code


cdef class Dictionary:
    """What decompression needs of a trained dictionary, 30 KB more than its bytes. ValueError."""

    def __cinit__(self, bytes raw):
        # To the library, what does not begin like a dictionary is the content of one.
        if len(raw) < 8 or raw[:4] != DICTIONARY_MAGIC:
            raise ValueError("it does not begin like one")
        self.made = create_dictionary(<const char*>raw, len(raw))
        if self.made == NULL:
            raise ValueError("it is damaged")

    def __dealloc__(self):
        free_dictionary(self.made)


cdef class Decompressor:
    def __cinit__(self):
        self.context = create_decompressor()
        if self.context == NULL:
            raise MemoryError

    def __dealloc__(self):
        free_decompressor(self.context)

    cdef ssize_t decompress(self, Dictionary dictionary, char* out, size_t room, const char* at,
                            size_t size) noexcept nogil:
        """How many bytes the frame held, -1: it is damaged, or they do not fit. `dictionary` may be None;
        frames made without one are read as well."""
        cdef size_t code
        if dictionary is None:
            code = decompress_plain(self.context, out, room, at, size)
        else:
            code = decompress_with(self.context, out, room, at, size, dictionary.made)
        return -1 if is_error(code) else <ssize_t>code


cdef uint64_t content_bytes(const char* at, size_t size) noexcept nogil:
    """What a frame says it holds; a number near 2^64 when it does not say, or is none."""
    return frame_content_size(at, size)
