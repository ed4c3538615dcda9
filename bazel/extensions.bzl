"""The repositories of WORKSPACE for Bazel 7 and later (MODULE.bazel)."""

load(":system_libs.bzl", "cuda_repository", "system_libs")

def _host_impl(_ctx):
    system_libs(name = "system_libs")
    cuda_repository(name = "local_cuda")

host = module_extension(implementation = _host_impl)
