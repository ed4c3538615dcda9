"""Repository rules for the libraries of the host (pkg-config) and for CUDA."""

# Name of the target -> pkg-config modules. absl's Mutex is left out on purpose: ThreadSanitizer cannot see into the system's
# library, so we use std::mutex.
_PKGS = {
    "absl_base": ["absl_base", "absl_core_headers"],
    "absl_cleanup": ["absl_cleanup"],
    "absl_containers": ["absl_flat_hash_map", "absl_flat_hash_set"],
    "absl_cord": ["absl_cord"],
    "absl_flags": [
        "absl_flags",
        "absl_flags_parse",
        "absl_flags_usage",
        "absl_flags_reflection",
        "absl_flags_commandlineflag",
        "absl_flags_marshalling",
    ],
    "absl_hash": ["absl_hash"],
    "absl_numeric": ["absl_bits", "absl_int128"],
    "absl_status": ["absl_status", "absl_statusor"],
    "absl_strings": ["absl_strings", "absl_str_format"],
    "absl_time": ["absl_time"],
    "benchmark": ["benchmark"],
    "grpc++": ["grpc++"],
    "gtest": ["gmock", "gtest"],
    "gtest_main": ["gmock", "gtest", "gtest_main"],
    "libcrypto": ["libcrypto"],
    "nlohmann_json": ["nlohmann_json"],
    "prometheus": ["prometheus-cpp-pull", "prometheus-cpp-core"],
    "protobuf": ["protobuf"],
    "simdjson": ["simdjson"],
    "spdlog": ["spdlog"],
    "xxhash": ["libxxhash"],
}

def _run(ctx, args):
    res = ctx.execute(args)
    if res.return_code != 0:
        fail("%s: %s (tools/setup installs what is missing)" % (" ".join([str(a) for a in args]), res.stderr))
    return res.stdout.strip()

def _dedup_keep_last(flags):
    # A library must come after everything that needs it: of equal -l flags
    # the last one counts.
    seen = {}
    out = []
    for i in range(len(flags) - 1, -1, -1):
        f = flags[i]
        if f.startswith("-l"):
            if f in seen:
                continue
            seen[f] = True
        out.append(f)
    return out[::-1]

# Of headers alone, which Debian ships no pkg-config file for: name of the target -> a header that must be there. They lie in the
# compiler's own include path.
_HEADERS = {
    "boost": "/usr/include/boost/beast/version.hpp",
}

# Debian ships no pkg-config file for it.
_REFLECTION = """
cc_library(
    name = "grpc++_reflection",
    linkopts = ["-lgrpc++_reflection"],
    deps = [":grpc++", ":protobuf"],
)"""

def _system_libs_impl(ctx):
    pc = ctx.which("pkg-config")
    if not pc:
        fail("pkg-config not found: run tools/setup")
    build = ['package(default_visibility = ["//visibility:public"])']
    for name, mods in _PKGS.items():
        cflags = _run(ctx, [pc, "--cflags"] + mods).split(" ")
        libs = _run(ctx, [pc, "--libs"] + mods).split(" ")
        version = _run(ctx, [pc, "--modversion"] + mods[:1])
        defines = [f[2:] for f in cflags if f.startswith("-D")]
        includes = []
        hdrs = []
        for n, f in enumerate([f for f in cflags if f.startswith("-I")]):
            # Outside the compiler's own include path: bring it into the repository.
            link = "%s_include_%d" % (name, n)
            ctx.symlink(f[2:], link)
            includes.append(link)
            hdrs.append(link)
        build.append("""
# {mods} {version}
cc_library(
    name = "{name}",
    hdrs = glob({globs}),
    defines = {defines},
    includes = {includes},
    linkopts = {linkopts},
)""".format(
            name = name,
            mods = " ".join(mods),
            version = version,
            globs = repr([h + "/**" for h in hdrs]) if hdrs else "[], allow_empty = True",
            defines = repr(defines),
            includes = repr(includes),
            linkopts = repr(["-Wl,--as-needed"] + _dedup_keep_last([f for f in libs if f])),
        ))
    for name, header in _HEADERS.items():
        if not ctx.path(header).exists:
            fail("%s is missing (tools/setup installs it)" % header)
        build.append('cc_library(name = "%s", linkopts = ["-lpthread"])' % name)
    build.append(_REFLECTION)
    for tool in ["protoc", "grpc_cpp_plugin"]:
        path = ctx.which(tool)
        if not path:
            fail("%s not found: run tools/setup" % tool)
        ctx.symlink(path, tool)
    build.append('exports_files(["protoc", "grpc_cpp_plugin"])')
    ctx.file("BUILD.bazel", "\n".join(build) + "\n")
    ctx.file("WORKSPACE", "")

system_libs = repository_rule(
    implementation = _system_libs_impl,
    configure = True,
    local = True,
    environ = ["PKG_CONFIG_PATH", "PATH"],
)

_CUDA_BUILD = """
package(default_visibility = ["//visibility:public"])
cc_library(
    name = "headers",
    hdrs = glob(
        ["include/**"],
        exclude = ["include/cccl/**"],
    ),
    includes = ["include"],
)
cc_library(
    name = "cudart",
    srcs = ["lib/libcudart_static.a"],
    linkopts = ["-ldl", "-lrt", "-lpthread"],
    deps = [":headers"],
)
cc_library(
    name = "nccl",
    srcs = ["lib/libnccl.so.2"],
    deps = [":headers"],
)
"""

def _cuda_impl(ctx):
    root = ctx.os.environ.get("CUDA_HOME", "/usr/local/cuda")
    found = ctx.path(root + "/bin/nvcc").exists
    ctx.file("WORKSPACE", "")
    ctx.file("defs.bzl", "CUDA_HOME = %r\nCUDA_FOUND = %r\n" % (root if found else "", found))
    if found:
        ctx.symlink(root + "/include", "include")
        libdir = "lib64" if ctx.path(root + "/lib64").exists else "lib"
        for lib in ["libcudart_static.a", "libnccl.so.2"]:
            if ctx.path("%s/%s/%s" % (root, libdir, lib)).exists:
                ctx.symlink("%s/%s/%s" % (root, libdir, lib), "lib/" + lib)
        ctx.file("BUILD.bazel", _CUDA_BUILD)
    else:
        ctx.file("BUILD.bazel", "\n".join([
            'package(default_visibility = ["//visibility:public"])',
        ] + ['cc_library(name = "%s")' % n for n in ["headers", "cudart", "nccl"]]))

cuda_repository = repository_rule(
    implementation = _cuda_impl,
    configure = True,
    local = True,
    environ = ["CUDA_HOME"],
)
