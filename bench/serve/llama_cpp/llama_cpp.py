"""A small binding of llama.cpp's shared library, enough to time it and to ask for its logits.

Works on the prebuilt CPU libraries in the npm package @node-llama-cpp/linux-x64 3.22.1 (llama.cpp v0.5.0):

    npm install --ignore-scripts --prefix DIR @node-llama-cpp/linux-x64@3.22.1
    export LLAMA_CPP_LIB=DIR/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64

The parameter structs differ between releases. We ask the library for its defaults in a block larger than any of them, set the
fields by offset and check the ones that can be read back, so another release fails with a message and not with a wrong number.
"""

import ctypes
import glob
import os
import sys

F32, F16 = 0, 1  # ggml_type
_PARAM_WORDS = 128


class _Params(ctypes.Structure):
    """By-value struct of any size up to 512 bytes: on x86-64 the callee reads only as many as it knows."""
    _fields_ = [("words", ctypes.c_uint32 * _PARAM_WORDS)]

    def set_byte(self, offset, value):
        ctypes.cast(ctypes.byref(self), ctypes.POINTER(ctypes.c_uint8))[offset] = value


class _Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.c_void_p), ("embd", ctypes.c_void_p), ("pos", ctypes.c_void_p),
                ("n_seq_id", ctypes.c_void_p), ("seq_id", ctypes.c_void_p), ("logits", ctypes.c_void_p)]


# Byte offsets in llama_context_params of v0.5.0, with the defaults by which we know that release again.
_CONTEXT = {"n_ctx": (0, 512), "n_batch": (4, 2048), "n_ubatch": (8, 512), "n_seq_max": (12, 1), "n_outputs_max": (20, 0),
            "n_outputs_max_per_seq": (24, 1), "n_threads": (28, 4), "n_threads_batch": (32, 4), "flash_attn": (52, 0xFFFFFFFF),
            "type_k": (104, F16), "type_v": (108, F16)}
_SWA_FULL = 132  # a bool


_LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@_LogCallback
def _print_errors(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


class LlamaCpp:
    """One model and one context of one sequence. Not for several threads."""

    def __init__(self, lib_dir, model_path, context_tokens, threads, kv_type=F16, flash_attention=-1, all_logits=False):
        self._load_libraries(lib_dir)
        self._model = self._lib.llama_model_load_from_file(model_path.encode(), self._lib.llama_model_default_params())
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {model_path}")
        params = self._lib.llama_context_default_params()
        wanted = {"n_ctx": context_tokens, "n_threads": threads, "n_threads_batch": threads, "type_k": kv_type, "type_v": kv_type,
                  "flash_attn": flash_attention & 0xFFFFFFFF}
        if all_logits:
            wanted.update(n_outputs_max=context_tokens, n_outputs_max_per_seq=context_tokens)
        for name, (offset, default) in _CONTEXT.items():
            if params.words[offset // 4] != default:
                raise RuntimeError(f"this llama.cpp is not v0.5.0: default of {name} is {params.words[offset // 4]}, expected {default}")
            params.words[offset // 4] = wanted.get(name, default)
        params.set_byte(_SWA_FULL, 0)  # a ring of one window, as its own command-line tools choose
        self._context = self._lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError("llama.cpp cannot make a context")
        if self._lib.llama_n_threads(self._context) != threads or self._lib.llama_n_ctx(self._context) < context_tokens:
            raise RuntimeError("llama.cpp did not take the parameters; is it v0.5.0?")
        self.vocab_size = self._lib.llama_vocab_n_tokens(self._lib.llama_model_get_vocab(self._model))

    def _load_libraries(self, lib_dir):
        def find(pattern):
            found = glob.glob(os.path.join(lib_dir, pattern))
            if not found:
                raise RuntimeError(f"no {pattern} in {lib_dir}")
            return ctypes.CDLL(sorted(found)[0], ctypes.RTLD_GLOBAL)

        find("libggml-base*.so")
        ggml = find("libggml.*so")
        ggml.ggml_backend_load_all_from_path(lib_dir.encode())
        lib = self._lib = find("libllama.*so")
        lib.llama_log_set(_print_errors, None)
        pointer, i32 = ctypes.c_void_p, ctypes.c_int32
        signatures = {
            "llama_model_default_params": (_Params, []), "llama_context_default_params": (_Params, []),
            "llama_model_load_from_file": (pointer, [ctypes.c_char_p, _Params]), "llama_init_from_model": (pointer, [pointer, _Params]),
            "llama_n_threads": (i32, [pointer]), "llama_n_ctx": (ctypes.c_uint32, [pointer]), "llama_model_get_vocab": (pointer, [pointer]),
            "llama_vocab_n_tokens": (i32, [pointer]), "llama_decode": (i32, [pointer, _Batch]), "llama_get_memory": (pointer, [pointer]),
            "llama_memory_clear": (None, [pointer, ctypes.c_bool]), "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), [pointer, i32]),
            "llama_print_system_info": (ctypes.c_char_p, []), "llama_synchronize": (None, [pointer]), "llama_version": (ctypes.c_char_p, []),
            "llama_free": (None, [pointer]), "llama_model_free": (None, [pointer])}
        for name, (result, arguments) in signatures.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments

    def system_info(self):
        return self._lib.llama_print_system_info().decode()

    def version(self):
        return self._lib.llama_version().decode()

    def forget(self):
        """Empties the KV cache."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)

    def decode(self, tokens, first_position, all_logits=False):
        """Runs `tokens` at `first_position` and waits; logits are then at logits(i), of the last token only unless all_logits."""
        n = len(tokens)
        token = (ctypes.c_int32 * n)(*tokens)
        position = (ctypes.c_int32 * n)(*range(first_position, first_position + n))
        count = (ctypes.c_int32 * n)(*([1] * n))
        sequence = ctypes.c_int32(0)
        sequences = (ctypes.c_void_p * n)(*([ctypes.addressof(sequence)] * n))
        wanted = (ctypes.c_int8 * n)(*([1 if all_logits else 0] * (n - 1) + [1]))
        address = ctypes.addressof
        batch = _Batch(n, address(token), None, address(position), address(count), address(sequences), address(wanted))
        status = self._lib.llama_decode(self._context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode of {n} tokens at {first_position} returned {status}")
        self._lib.llama_synchronize(self._context)

    def logits(self, index):
        """Logits of the batch's token `index`, or of its last one for -1, as a list of floats."""
        return self._lib.llama_get_logits_ith(self._context, index)[:self.vocab_size]

    def close(self):
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
