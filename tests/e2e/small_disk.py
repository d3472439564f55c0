"""A disk that gets full: a file system in memory, which needs root and the right to mount."""

import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """Makes the folder one of so many megabytes; skips the test where that is not permitted."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
