"""All that the engine asks of the operating system: the only file of engine/ that does.

A Disk opens files and changes folders; a File reads and writes one of them. Both have virtual
methods, so that a test puts in a disk that fills up, fails or forgets (engine/disk_faulty.pyx),
and everything above runs unchanged.

The C methods of File run without the GIL and raise OSError with the file's name. The Python methods
beside them are for the parts where nothing is hot.

    read_into      pread until `count` or the end of the file; returns the bytes read
    read_nowait    preadv2(RWF_NOWAIT): only what the page cache holds; -1 when that is not all, or
                   when the file system refuses the flag: then take the slow road, on a thread
    write          all of it at the end of the file, or OSError (some of it may be there: see cut)
    reserve        allocate blocks without changing the file's length. A file system that cannot
                   (EOPNOTSUPP) is no error: a full disk then shows up one call later, in write
    sync_now       fdatasync. After an error nobody knows which pages reached the disk, and asking
                   again would answer "fine" (the kernel forgets): so the caller must not ask again
    cut            ftruncate

A new or renamed file is only sure to be found again after `sync_directory`.
"""

import errno as errors_of_os
import fcntl
import os

from libc.errno cimport EINTR, ENOSYS, EOPNOTSUPP, errno

cdef extern from "sys/types.h" nogil:
    ctypedef long off_t

cdef extern from "unistd.h" nogil:
    ssize_t c_pread "pread"(int fd, void* out, size_t count, off_t offset)
    ssize_t c_write "write"(int fd, const void* source, size_t count)
    int c_fdatasync "fdatasync"(int fd)
    int c_ftruncate "ftruncate"(int fd, off_t length)
    int c_close "close"(int fd)

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <unistd.h>
    /* System calls by number: glibc hides both behind feature macros that Python.h has already
       fixed by the time this is compiled. */
    static long resp_kv_read_nowait(int fd, void *out, size_t count, long offset) {
    #if defined(SYS_preadv2)
        struct iovec piece = {out, count};
        return syscall(SYS_preadv2, (long)fd, &piece, 1L, offset, 0L, 8L /* RWF_NOWAIT */);
    #else
        errno = ENOSYS; return -1;
    #endif
    }
    static int resp_kv_reserve(int fd, long offset, long count) {
    #if defined(SYS_fallocate)
        return (int)syscall(SYS_fallocate, (long)fd, 1L /* FALLOC_FL_KEEP_SIZE */, offset, count);
    #else
        errno = EOPNOTSUPP; return -1;
    #endif
    }
    """
    long resp_kv_read_nowait(int fd, void* out, size_t count, long offset) nogil
    int resp_kv_reserve(int fd, long offset, long count) nogil


cdef class File:
    """One open file. `close()` may be called twice; the last reference closes too."""

    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        # The last descriptor of an unlinked file frees its blocks: that may take milliseconds.
        if self.fd >= 0:
            with nogil:
                c_close(self.fd)

    cdef int64_t read_into(self, char* out, size_t count, uint64_t offset) except -1 nogil:
        cdef size_t done = 0
        cdef ssize_t got
        while done < count:
            got = c_pread(self.fd, out + done, count - done, <off_t>(offset + done))
            if got > 0:
                done += got
            elif got == 0:
                break
            elif errno != EINTR:
                self.fail(errno)
        return done

    cdef int64_t read_nowait(self, char* out, size_t count, uint64_t offset) except -2 nogil:
        cdef long got = resp_kv_read_nowait(self.fd, out, count, <long>offset)
        return got if got == <long>count else -1

    cdef int64_t write_some(self, const char* source, size_t count) except -1 nogil:
        """One write(2): the only place where bytes leave, so that a faulty disk overrides this."""
        cdef ssize_t put
        while True:
            put = c_write(self.fd, source, count)
            if put >= 0:
                return put
            if errno != EINTR:
                self.fail(errno)

    cdef int write(self, const char* source, size_t count) except -1 nogil:
        cdef size_t done = 0
        while done < count:
            done += self.write_some(source + done, count - done)
        return 0

    cdef int reserve(self, uint64_t offset, uint64_t count) except -1 nogil:
        while resp_kv_reserve(self.fd, <long>offset, <long>count) != 0:
            if errno == EOPNOTSUPP or errno == ENOSYS:
                return 0
            if errno != EINTR:
                self.fail(errno)
        return 0

    cdef int sync_now(self) except -1 nogil:
        if c_fdatasync(self.fd) != 0:
            self.fail(errno)
        return 0

    cdef int cut(self, uint64_t length) except -1 nogil:
        if c_ftruncate(self.fd, <off_t>length) != 0:
            self.fail(errno)
        return 0

    cdef int fail(self, int code) except -1 with gil:
        # `code` was read before: taking the GIL may change errno.
        raise OSError(code, os.strerror(code), self.path)

    # What is not hot.

    def read(self, size_t count, uint64_t offset):
        """Up to `count` bytes from `offset`; fewer only at the end of the file."""
        cdef bytearray out = bytearray(count)
        cdef char* target = out
        cdef int64_t got
        with nogil:
            got = self.read_into(target, count, offset)
        del out[got:]
        return bytes(out)

    def append(self, const unsigned char[::1] source):
        """Writes all of `source` at the end of the file."""
        if source.shape[0]:
            with nogil:
                self.write(<const char*>&source[0], source.shape[0])

    def sync(self):
        """Returns when the bytes and the length of the file are on the disk."""
        with nogil:
            self.sync_now()

    def truncate(self, uint64_t length):
        self.cut(length)

    def fileno(self):
        return self.fd

    @property
    def size(self):
        return os.fstat(self.fd).st_size

    def close(self):
        cdef int fd = self.fd
        self.fd = -1
        if fd >= 0:
            with nogil:
                c_close(fd)


cdef class Disk:
    """The real one. Paths are str."""

    cdef File make_file(self, str path, int fd):
        cdef File file = File.__new__(File)
        file.path = path
        file.fd = fd
        return file

    def open(self, str path):
        """An existing file, for reading."""
        return self.make_file(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def create(self, str path):
        """A new, empty file, for reading and appending; FileExistsError if it is there already."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return self.make_file(path, os.open(path, flags, 0o644))

    def open_to_append(self, str path):
        """An existing file, for reading, cutting and appending."""
        return self.make_file(path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))

    def lock(self, str path):
        """Creates `path` if need be and locks it for this process: the File that holds the lock,
        or None when somebody else has it. flock, not POSIX locks: those belong to the process,
        so that a second engine in the same process would get one too, and closing any
        descriptor of the file would drop it."""
        cdef File file = self.make_file(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
        try:
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno in (errors_of_os.EAGAIN, errors_of_os.EACCES):
                return None
            raise
        return file

    def make_directory(self, str path):
        """Creates the folder, and those above it, unless they are there."""
        os.makedirs(path, exist_ok=True)

    def sync_directory(self, str path):
        """Makes creations, renames and removals in the folder durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def list(self, str path):
        """The names in the folder, sorted."""
        return sorted(os.listdir(path))

    def exists(self, str path):
        return os.path.exists(path)

    def size(self, str path):
        return os.stat(path).st_size

    def read_file(self, str path):
        """All bytes of a small file."""
        file = self.open(path)
        try:
            return file.read(file.size, 0)
        finally:
            file.close()

    def rename(self, str source, str target):
        """Replaces `target` in one step."""
        os.replace(source, target)

    def unlink(self, str path):
        """Removes the file; it is no error when it is gone already."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass

    def link(self, str source, str target):
        """A second name for the same bytes (a checkpoint of an immutable file)."""
        os.link(source, target)

    def free_bytes(self, str path):
        """Space left for us on the file system of `path`."""
        space = os.statvfs(path)
        return space.f_bavail * space.f_frsize
