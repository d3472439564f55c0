"""Finding the C libraries, with what can be missing on somebody else's machine."""

import ctypes
import ctypes.util

import google_crc32c
import pytest
import zstandard

from engine import libraries
from engine.block import read_stored
from engine.crc32c import both_ways
from engine.zstd import Compressor, Dictionary


def test_the_library_is_the_first_one_with_the_function():
    found = libraries.first_with("strlen", [None, "/no/such/library.so", ctypes.util.find_library("c")], "")
    assert found.strlen(b"four") == 4


def test_none_with_the_function_is_said_with_the_remedy():
    with pytest.raises(ImportError, match="install it"):
        libraries.first_with("no_such_function", [ctypes.util.find_library("c")], "install it")


def test_an_old_library_is_refused(monkeypatch):
    class Old:
        def ZSTD_versionNumber(self):
            return 10300

    monkeypatch.setattr(libraries, "first_with", lambda *_: Old())
    with pytest.raises(ImportError, match="10300 is too old"):
        libraries.zstd_library()


def test_the_checksum_is_the_same_with_and_without_the_library():
    for size in (0, 1, 7, 8, 9, 4096, 10_001):
        raw = bytes((i * 7 + size) % 256 for i in range(size))
        assert both_ways(raw) == (google_crc32c.value(raw),) * 2
    assert both_ways(b"123456789")[1] == 0xE3069283                # the check value of its catalogues


def test_a_checksum_package_without_a_library_is_no_error(monkeypatch):
    monkeypatch.setattr(libraries, "file_of", lambda module: None)
    assert libraries.crc32c_library() is None


def test_a_module_that_is_not_there_has_no_file():
    assert libraries.file_of("zstandard.no_such_module") is None
    assert libraries.file_of("zstandard.backend_c").endswith(".so")


@pytest.mark.skipif(ctypes.util.find_library("zstd") is None, reason="the system has no libzstd")
def test_the_system_s_library_does_as_well(monkeypatch):
    monkeypatch.setattr(libraries, "file_of", lambda module: None)
    library = libraries.zstd_library()
    assert set(libraries.addresses(library, ["ZSTD_compress2", "ZSTD_createDDict"])) == {
        "ZSTD_compress2", "ZSTD_createDDict"}


def test_what_the_library_writes_is_what_the_packages_read():
    raw = b"the same bytes, again and again; " * 100
    frame = zstandard.compress(raw)
    body = frame + len(raw).to_bytes(4, "little") + b"\x01"
    stored = body + google_crc32c.value(body).to_bytes(4, "little")
    assert read_stored(stored, "f", 0) == raw


@pytest.mark.parametrize("raw", [
    b"", b"\x37\xa4\x30", b"no dictionary at all", b"\x37\xa4\x30\xec" + b"\xff" * 60])
def test_what_is_no_dictionary_is_refused(raw):
    with pytest.raises(ValueError, match="begin like one|damaged"):
        Dictionary(raw)


def test_a_trained_dictionary_is_taken():
    samples = [b'{"name": "user-%d", "active": %d}' % (i, i % 2) for i in range(2000)]
    dictionary = zstandard.train_dictionary(1024, samples).as_bytes()
    assert Dictionary(dictionary) is not None
    assert Compressor(1, dictionary) is not None
