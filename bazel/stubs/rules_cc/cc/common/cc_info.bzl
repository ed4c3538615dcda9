"""CcInfo, where rules_cc has it."""

load(":native.bzl", "NativeCcInfo")

CcInfo = NativeCcInfo
