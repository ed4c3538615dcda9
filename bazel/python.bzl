"""Tests in Python. Bazel's py_test wants a program called `python`, which Debian does not have."""

def python_test(name, src, folder, data, size = "small", tags = []):
    """Runs unittest file `src` with the system's Python; `folder` is where the modules of `data` lie."""
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//tests/testing:python_test.sh"],
        args = ["$(location %s)" % src, folder],
        data = [src] + data,
        tags = tags,
    )
