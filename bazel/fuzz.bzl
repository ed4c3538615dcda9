"""cc_fuzz_test: one LLVMFuzzerTestOneInput, run two ways."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def cc_fuzz_test(name, srcs, deps, corpus, data = [], **kwargs):
    """A parser of what strangers send, under random bytes.

    As an ordinary test, tools/fuzz_driver.cc replays the corpus and mutates it for FUZZ_SECONDS (2) from a fixed seed, with any
    compiler. With --config=fuzz the same target is a libFuzzer binary under ASan and UBSan; .ci/run gives each a minute.

    Args:
      name: of the test.
      srcs: define `extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)`.
      deps: what the sources need.
      corpus: files to start from; at least one. They must lie under this package.
      data: other files that the test reads.
      **kwargs: passed to cc_test.
    """
    cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = select({
            "//bazel:fuzz_on": ["-runs=0"],
            "//conditions:default": [],
        }) + ["$(location %s)" % f for f in corpus],
        data = corpus + data,
        linkopts = select({
            "//bazel:fuzz_on": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        tags = ["fuzz"],
        deps = deps + select({
            "//bazel:fuzz_on": [],
            "//conditions:default": ["//tools:fuzz_driver"],
        }),
        **kwargs
    )
