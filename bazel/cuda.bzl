"""cuda_library: nvcc for the .cu files, behind //bazel:cuda."""

load("@local_cuda//:defs.bzl", "CUDA_HOME")
load("@rules_cc//cc:defs.bzl", "cc_library")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

CUDA_ARCHS = ["80", "86", "89", "90", "100", "120"]

def _cuda_objects_impl(ctx):
    outs = []
    merged = cc_common.merge_cc_infos(cc_infos = [d[CcInfo] for d in ctx.attr.deps]).compilation_context
    for src in ctx.files.srcs:
        out = ctx.actions.declare_file("_cuda/%s/%s.pic.o" % (ctx.label.name, src.basename))
        args = ctx.actions.args()
        args.add("-c", src)
        args.add("-o", out)
        args.add("-std=c++20")
        args.add("--fmad=false")
        args.add("-O3")
        args.add("--threads=2")
        args.add("-Xcompiler", "-fPIC")
        for a in CUDA_ARCHS:
            args.add("-gencode=arch=compute_%s,code=sm_%s" % (a, a))
        args.add("-gencode=arch=compute_%s,code=compute_%s" % (CUDA_ARCHS[-1], CUDA_ARCHS[-1]))
        args.add("-I.")
        args.add("-I" + ctx.bin_dir.path)
        args.add_all(merged.includes, before_each = "-I")
        args.add_all(merged.system_includes, before_each = "-isystem")
        args.add_all(merged.quote_includes, before_each = "-I")
        ctx.actions.run(
            executable = CUDA_HOME + "/bin/nvcc",
            arguments = [args],
            inputs = depset([src] + ctx.files.hdrs, transitive = [merged.headers]),
            outputs = [out],
            use_default_shell_env = True,
            mnemonic = "CudaCompile",
            progress_message = "nvcc %s" % src.short_path,
        )
        outs.append(out)
    return [DefaultInfo(files = depset(outs))]

_cuda_objects = rule(
    implementation = _cuda_objects_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = True),
        "deps": attr.label_list(providers = [CcInfo]),
    },
)

def cuda_library(name, srcs, hdrs = [], deps = [], stub_srcs = [], **kwargs):
    """With --//bazel:cuda the .cu files, otherwise stub_srcs."""
    _cuda_objects(
        name = name + "_objs",
        srcs = srcs,
        hdrs = hdrs,
        deps = deps + ["@local_cuda//:headers"],
        tags = ["manual"],
    )
    cc_library(
        name = name,
        srcs = select({
            "//bazel:cuda_on": [name + "_objs"],
            "//conditions:default": stub_srcs,
        }),
        hdrs = hdrs,
        deps = deps + select({
            "//bazel:cuda_on": ["@local_cuda//:cudart", "@local_cuda//:nccl"],
            "//conditions:default": [],
        }),
        **kwargs
    )
