"""Writes a GGUF file of the real shapes of Gemma 4 26B-A4B with random weights: 14.4 GB, for capacity and speed work.

Q4_0 matrices, Q6_K embedding, F32 norms, gate and scales, as Google's own file. Weights have mean zero and a standard deviation of
1/sqrt(inputs), so that activations stay finite and routing spreads over the experts. Seeded; needs numpy and gguf.

  python3 tools/make_real_shapes.py /path/to/real-shapes.gguf [--layers=30]
"""

import argparse
import sys

import gguf
import numpy as np

QT = gguf.GGMLQuantizationType
DIM, HEADS, EXPERTS, EXPERT_DIM, DENSE_DIM, VOCAB = 2816, 16, 128, 704, 2112, 262144
CONTROL = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>", 49: "<tool_call|>",
           50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>", 101: "<channel|>", 105: "<|turn>", 106: "<turn|>"}


def q4_0(rng, rows, cols):
    """Blocks of f16 scale and 16 bytes; nibbles 1 to 15 are symmetric about 8."""
    blocks = rows * cols // 32
    out = np.empty((blocks, 18), np.uint8)
    step = (cols ** -0.5) / 4.32  # standard deviation of a uniform integer from -7 to 7
    out[:, :2] = (rng.uniform(0.9, 1.1, blocks).astype(np.float32) * step).astype(np.float16)[:, None].view(np.uint8)
    # A byte that is two nibbles of 1 to 15: a table over 16 random bits.
    pairs = np.arange(1 << 16)
    table = ((pairs % 15 + 1) | ((pairs // 15 % 15 + 1) << 4)).astype(np.uint8)
    out[:, 2:] = table[np.frombuffer(rng.bytes(blocks * 32), np.uint16)].reshape(blocks, 16)
    return out.reshape(rows, cols // 32 * 18)


def q6_k(rng, rows, cols):
    blocks = rows * cols // 256
    out = np.empty((blocks, 210), np.uint8)
    out[:, :192] = np.frombuffer(rng.bytes(blocks * 192), np.uint8).reshape(blocks, 192)
    scales = rng.integers(8, 13, (blocks, 16), np.int8)
    scales[rng.integers(0, 2, (blocks, 16), np.uint8) == 1] *= -1  # q - 32 has mean -0.5: signs make it zero
    out[:, 192:208] = scales.view(np.uint8)
    step = (cols ** -0.5) / (18.5 * 10)  # standard deviation of a uniform integer from -32 to 31, times the mean scale
    out[:, 208:] = np.full(blocks, step, np.float16)[:, None].view(np.uint8)
    return out.reshape(rows, cols // 256 * 210)


def metadata(w, layers):
    is_global = [layer % 6 == 5 for layer in range(layers)]
    w.add_block_count(layers)
    w.add_context_length(262144)
    w.add_embedding_length(DIM)
    w.add_feed_forward_length(DENSE_DIM)
    w.add_head_count(HEADS)
    w.add_head_count_kv([2 if g else 8 for g in is_global])
    w.add_key_length(512)
    w.add_value_length(512)
    w.add_uint32("gemma4.attention.key_length_swa", 256)
    w.add_uint32("gemma4.attention.value_length_swa", 256)
    w.add_sliding_window(1024)
    w.add_array("gemma4.attention.sliding_window_pattern", [not g for g in is_global])
    w.add_uint32("gemma4.attention.shared_kv_layers", 0)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(1e6)
    w.add_float32("gemma4.rope.freq_base_swa", 1e4)
    w.add_rope_dimension_count(512)
    w.add_uint32("gemma4.rope.dimension_count_swa", 256)
    w.add_expert_count(EXPERTS)
    w.add_expert_used_count(8)
    w.add_expert_feed_forward_length(EXPERT_DIM)
    w.add_uint32("gemma4.embedding_length_per_layer_input", 0)
    w.add_float32("gemma4.final_logit_softcapping", 30.0)
    tokens = [CONTROL.get(i, f"<unused{i}>") for i in range(VOCAB)]
    tokens[107], tokens[236743] = "\n", "\u2581"
    for byte in range(256):
        tokens[238 + byte] = f"<0x{byte:02X}>"
    letters = [chr(c) for c in range(33, 127)]
    for i, letter in enumerate(letters):
        tokens[236800 + i] = letter
    tokens[1000:1003] = ["th", "he", "in"]
    types = [3 if i in CONTROL else 6 if t.startswith("<0x") else 1 for i, t in enumerate(tokens)]
    types[3] = 2
    w.add_tokenizer_model("gemma4")
    w.add_token_list(tokens)
    w.add_token_scores([-float(i) for i in range(VOCAB)])
    w.add_token_types(types)
    w.add_token_merges(["t h", "h e", "i n"])
    w.add_bos_token_id(2)
    w.add_eos_token_id(1)
    w.add_unk_token_id(3)
    w.add_pad_token_id(0)
    w.add_bool("tokenizer.ggml.add_space_prefix", False)
    w.add_add_bos_token(True)


def layer_tensors(layer):
    """Name, shape outermost first, and kind of every tensor of a layer."""
    head, kv = (512, 2) if layer % 6 == 5 else (256, 8)
    norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2", "post_ffw_norm")
    tensors = [(f"{n}.weight", (DIM,), "norm") for n in norms]
    tensors += [("attn_q.weight", (HEADS * head, DIM), "q4"), ("attn_k.weight", (kv * head, DIM), "q4"), ("attn_output.weight", (DIM, HEADS * head), "q4"),
                ("attn_q_norm.weight", (head,), "head_norm"), ("attn_k_norm.weight", (head,), "head_norm"),
                ("ffn_gate.weight", (DENSE_DIM, DIM), "q4"), ("ffn_up.weight", (DENSE_DIM, DIM), "q4"), ("ffn_down.weight", (DIM, DENSE_DIM), "q4"),
                ("ffn_gate_inp.weight", (EXPERTS, DIM), "gate"), ("ffn_gate_inp.scale", (DIM,), "norm"), ("ffn_down_exps.scale", (EXPERTS,), "norm"),
                ("ffn_gate_up_exps.weight", (EXPERTS, 2 * EXPERT_DIM, DIM), "q4"), ("ffn_down_exps.weight", (EXPERTS, DIM, EXPERT_DIM), "q4"),
                ("layer_output_scale.weight", (1,), "norm")]
    if head == 256:
        tensors.append(("attn_v.weight", (kv * head, DIM), "q4"))
    return [(f"blk.{layer}.{n}", shape, kind) for n, shape, kind in tensors]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tensors = [("rope_freqs.weight", (256,), "rope"), ("token_embd.weight", (VOCAB, DIM), "q6"), ("output_norm.weight", (DIM,), "output_norm")]
    for layer in range(args.layers):
        tensors += layer_tensors(layer)
    w = gguf.GGUFWriter(args.path, "gemma4")
    metadata(w, args.layers)
    for name, shape, kind in tensors:
        if kind in ("q4", "q6"):
            quant = QT.Q4_0 if kind == "q4" else QT.Q6_K
            block, size = gguf.GGML_QUANT_SIZES[quant]
            byte_shape = (*shape[:-1], shape[-1] // block * size)
            w.add_tensor_info(name, byte_shape, np.dtype(np.uint8), int(np.prod(byte_shape)), raw_dtype=quant)
        else:
            w.add_tensor_info(name, shape, np.dtype(np.float32), int(np.prod(shape)) * 4)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    rng = np.random.Generator(np.random.SFC64(args.seed))
    for name, shape, kind in tensors:
        rows = int(np.prod(shape[:-1]))
        if kind == "q4":
            pieces = 16 if rows * shape[-1] > 1 << 26 else 1  # the experts of a layer: less memory, better cached
            data = np.concatenate([q4_0(rng, rows // pieces, shape[-1]) for _ in range(pieces)])
        elif kind == "q6":
            data = np.concatenate([q6_k(rng, rows // 16, shape[-1]) for _ in range(16)])
        elif kind == "rope":
            data = np.array([1.0] * 64 + [1e30] * 192, np.float32)
        elif kind == "gate":
            data = rng.normal(0, 1, shape).astype(np.float32)
        elif kind == "head_norm":
            data = rng.uniform(0.15, 0.35, shape).astype(np.float32)
        elif kind == "output_norm":  # logits up to some 12; at 50 the soft cap would make the largest all the same
            data = rng.uniform(2, 3, shape).astype(np.float32)
        else:
            data = rng.uniform(0.8, 1.2, shape).astype(np.float32)
        w.write_tensor_data(data)
    w.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
