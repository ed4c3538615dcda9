"""cc_grpc_library: protoc and grpc_cpp_plugin of the host."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def _gen_impl(ctx):
    outs = []
    for src in ctx.files.srcs:
        base = src.basename[:-len(".proto")]
        gen = []
        for suffix in [".pb.h", ".pb.cc", ".grpc.pb.h", ".grpc.pb.cc"]:
            gen.append(ctx.actions.declare_file(base + suffix))
        out_root = gen[0].path[:-len(src.short_path[:-len(".proto")] + ".pb.h")]
        args = ctx.actions.args()
        args.add("--plugin=protoc-gen-grpc=" + ctx.file._plugin.path)
        args.add("-I.")
        args.add("--cpp_out=" + out_root)
        args.add("--grpc_out=" + out_root)
        args.add(src.path)
        ctx.actions.run(
            executable = ctx.file._protoc,
            arguments = [args],
            inputs = ctx.files.srcs + ctx.files.imports,
            tools = [ctx.file._plugin],
            outputs = gen,
            mnemonic = "Protoc",
            progress_message = "protoc %s" % src.short_path,
        )
        outs.extend(gen)
    return [
        DefaultInfo(files = depset(outs)),
        OutputGroupInfo(
            hdrs = depset([f for f in outs if f.basename.endswith(".h")]),
            srcs = depset([f for f in outs if f.basename.endswith(".cc")]),
        ),
    ]

_grpc_gen = rule(
    implementation = _gen_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"]),
        "imports": attr.label_list(allow_files = [".proto"]),
        "_protoc": attr.label(default = "@system_libs//:protoc", allow_single_file = True, cfg = "exec"),
        "_plugin": attr.label(default = "@system_libs//:grpc_cpp_plugin", allow_single_file = True, cfg = "exec"),
    },
)

def cc_grpc_library(name, srcs, deps = [], imports = [], **kwargs):
    """Messages and services of `srcs` as one cc_library.

    Args:
      name: of the cc_library.
      srcs: .proto files of this package.
      deps: cc_grpc_library targets of the imported files.
      imports: the imported .proto files.
      **kwargs: passed to cc_library (visibility, for one).
    """
    _grpc_gen(name = name + "_gen", srcs = srcs, imports = imports)
    native.filegroup(name = name + "_hdrs", srcs = [name + "_gen"], output_group = "hdrs")
    native.filegroup(name = name + "_srcs", srcs = [name + "_gen"], output_group = "srcs")
    cc_library(
        name = name,
        srcs = [name + "_srcs"],
        hdrs = [name + "_hdrs"],
        copts = ["-w"],
        deps = deps + ["@system_libs//:grpc++", "@system_libs//:protobuf"],
        **kwargs
    )
