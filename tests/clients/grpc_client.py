"""A gRPC client made from proto/ when the tests run, as its users make theirs."""

import functools
import importlib
import os
import sys
import tempfile

import grpc
import grpc_tools
import service
from grpc_tools import protoc


@functools.cache
def modules(name):
    """The messages and the stubs of proto/NAME.proto."""
    sources = sorted(f"proto/{file}" for file in os.listdir(os.path.join(service.ROOT, "proto")) if file.endswith(".proto"))
    with tempfile.TemporaryDirectory() as folder:
        includes = [f"--proto_path={path}" for path in (service.ROOT, os.path.join(os.path.dirname(grpc_tools.__file__), "_proto"))]
        if protoc.main(["protoc", *includes, f"--python_out={folder}", f"--grpc_python_out={folder}", *sources]) != 0:
            raise RuntimeError("protoc failed")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(f"proto.{name}_pb2"), importlib.import_module(f"proto.{name}_pb2_grpc")
        finally:
            sys.path.remove(folder)


def channel():
    return grpc.insecure_channel(service.grpc_address())


def metadata():
    """What every call says about its caller."""
    return [("authorization", f"Bearer {service.api_key()}")]
