"""Names for the built-ins, so that cc_info.bzl and cc_common.bzl can export them under their own."""

NativeCcInfo = CcInfo
native_cc_common = cc_common
