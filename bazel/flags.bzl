"""A boolean command-line flag (bazel_skylib's bool_flag without bazel_skylib)."""

def _impl(ctx):
    return []

bool_flag = rule(
    implementation = _impl,
    build_setting = config.bool(flag = True),
)
