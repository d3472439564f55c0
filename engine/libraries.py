"""Where the C functions of Zstandard and CRC32C are, in the libraries that two Python packages bring along.

Flushes and compactions call them for every block, without the GIL; through the packages' own Python doors
they would need it for each call, and wait for it up to 5 ms (docs/decisions/0014). Both libraries have kept
the functions used here for years; which copy is used makes no difference to the files.

    CRC32C      libcrc32c, which google-crc32c's extension module is linked to; else engine/crc32c's own
    Zstandard   the extension module of the package zstandard that exports the library's functions, or is
                linked to the system's; else the system's own
"""

import ctypes
import ctypes.util
import importlib.util

ZSTD_VERSION_MIN = 10400                # 1.4.0, since when the functions used are stable


def addresses(library, names):
    """Of these functions: a dict."""
    return {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names}


def crc32c_library():
    """None where google-crc32c has no extension module, as on systems it has no wheel for."""
    try:
        return first_with("crc32c_extend", [file_of("google_crc32c._crc32c")], "")
    except ImportError:
        return None


def zstd_library():
    library = first_with("ZSTD_compress2", zstd_files(), (
        "Zstandard's C library was not found: install libzstd (the package libzstd1 in Debian and Ubuntu)"))
    version = library.ZSTD_versionNumber()
    if version < ZSTD_VERSION_MIN:
        raise ImportError(f"Zstandard {version} is too old, at least {ZSTD_VERSION_MIN} is needed")
    return library


def zstd_files():
    """Where it may be; the system is asked last, since that starts a program."""
    yield file_of("zstandard._cffi")
    yield file_of("zstandard.backend_c")
    yield "libzstd.so.1"
    yield ctypes.util.find_library("zstd")


def file_of(module):
    """The shared library that a module is, None if there is no such module."""
    found = importlib.util.find_spec(module)
    return None if found is None else found.origin


def first_with(function, paths, sentence):
    """The first library with that function. ImportError."""
    for path in paths:
        if path is None:
            continue
        try:
            library = ctypes.CDLL(path)
            getattr(library, function)
        except (OSError, AttributeError):
            continue
        return library
    raise ImportError(sentence)
