"""Builds the compiled hot path: every .pyx below the three packages is one extension module.

RESP_KV_MODULES=no leaves the modules out: `make` installs dependencies first and compiles later.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGES = ("engine", "cluster", "resp_kv")
DIRECTIVES = {
    "language_level": "3",
    "annotation_typing": False,
}
FLAGS = ["-O3", "-fno-plt", "-Wno-sign-compare"]


def extensions():
    root = Path(__file__).parent
    for package in PACKAGES:
        for source in sorted((root / package).rglob("*.pyx")):
            relative = source.relative_to(root)
            module = ".".join(relative.with_suffix("").parts)
            yield Extension(module, [str(relative)], extra_compile_args=FLAGS)


def modules():
    if os.environ.get("RESP_KV_MODULES") == "no":
        return []
    return cythonize(
        list(extensions()), compiler_directives=DIRECTIVES, nthreads=2, quiet=True
    )


if __name__ == "__main__":
    setup(ext_modules=modules())
