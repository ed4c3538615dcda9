"""An aspect that compiles every header of ours on its own.

  bazel build //... --aspects=//bazel:headers.bzl%headers_compile_alone --output_groups=headers
"""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _impl(target, ctx):
    hdrs = [f for f in getattr(ctx.rule.files, "hdrs", []) if f.is_source and f.basename.endswith(".h")]
    if not hdrs or ctx.label.workspace_name:
        return [OutputGroupInfo(headers = depset())]
    context = target[CcInfo].compilation_context
    sources = []
    for hdr in hdrs:
        source = ctx.actions.declare_file("_headers/%s/%s.cc" % (ctx.label.name, hdr.basename))

        # Twice: the guard must hold, too.
        ctx.actions.write(source, "#include \"{0}\"\n#include \"{0}\"\n".format(hdr.short_path))
        sources.append(source)
    toolchain = ctx.attr._cc_toolchain[cc_common.CcToolchainInfo]
    features = cc_common.configure_features(ctx = ctx, cc_toolchain = toolchain)
    _, outputs = cc_common.compile(
        name = ctx.label.name + "_headers_alone",
        actions = ctx.actions,
        cc_toolchain = toolchain,
        compilation_contexts = [context],
        feature_configuration = features,
        srcs = sources,
    )
    return [OutputGroupInfo(headers = depset(outputs.pic_objects + outputs.objects))]

headers_compile_alone = aspect(
    implementation = _impl,
    attrs = {"_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain")},
    fragments = ["cpp"],
)
