"""Writes the small random checkpoints that tests and the demo use: every feature of Gemma 4 26B-A4B in a few hundred kilobytes.

All forms of one shape hold the same weights (bf16-exact values), so their results are comparable. Initialisation is chosen to
make mistakes show: norms away from one, q_norm unlike k_norm, logits large enough for the soft cap, routing neither uniform nor collapsed.
"""

import json
import os
import shutil
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers.models.gemma4 import Gemma4ForCausalLM, Gemma4TextConfig

import tiny_tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "checkpoints")
QT = gguf.GGMLQuantizationType


def config(hidden, layers, head_dim, global_head_dim, expert_dim, dense_dim):
    return Gemma4TextConfig(
        vocab_size=304, hidden_size=hidden, intermediate_size=dense_dim, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=head_dim, global_head_dim=global_head_dim, num_global_key_value_heads=1,
        layer_types=["full_attention" if i == layers - 1 else "sliding_attention" for i in range(layers)],
        sliding_window=8, max_position_embeddings=4096, final_logit_softcapping=30.0, hidden_size_per_layer_input=0,
        attention_k_eq_v=True, num_kv_shared_layers=0, enable_moe_block=True, num_experts=8, top_k_experts=2,
        moe_intermediate_size=expert_dim, pad_token_id=0, eos_token_id=1, bos_token_id=2, rms_norm_eps=1e-6,
        attn_implementation="eager", experts_implementation="eager")


def initialise(model, seed):
    g = torch.Generator().manual_seed(seed)
    uniform = lambda shape, low, high: torch.rand(shape, generator=g) * (high - low) + low
    normal = lambda shape, std: torch.randn(shape, generator=g) * std
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            if name.endswith("embed_tokens.weight"):
                # Small beside the branches, so that the residual is more than the last token; the final norm makes up for it.
                v = normal(p.shape, 0.2)
            elif name == "model.norm.weight":
                v = uniform(p.shape, 2.0, 5.0)
            elif name.endswith("layer_scalar"):
                v = uniform(p.shape, 0.5, 1.2)
            elif name.endswith("per_expert_scale"):
                v = uniform(p.shape, 0.4, 1.8)
            elif name.endswith("router.scale"):
                v = uniform(p.shape, 1.5, 4.5)
            elif name.endswith("router.proj.weight"):
                v = normal(p.shape, 2.0)
            elif name.endswith("q_norm.weight"):
                v = uniform(p.shape, 0.4, 1.2)
            elif name.endswith("k_norm.weight"):
                v = uniform(p.shape, 0.2, 0.8)
            elif "norm" in name:
                v = uniform(p.shape, 0.6, 1.4)
            elif p.dim() >= 2:
                v = normal(p.shape, p.shape[-1] ** -0.5)
            else:
                continue  # rotary tables and the like
            p.copy_(v.to(torch.bfloat16).to(p.dtype))


def text_tensors(model):
    keep = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("model.") and "rotary" not in name and "embed_scale" not in name and "root_size" not in name:
            keep[name.removeprefix("model.")] = tensor.detach().clone().contiguous()
    return keep


def write_side_files(path, tokenizer):
    tiny_tokenizer.write(os.path.join(path, "tokenizer.json"), tokenizer)
    vocab = tokenizer["model"]["vocab"]
    json.dump({"tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "bos_token": "<bos>", "eos_token": "<eos>"},
              open(os.path.join(path, "tokenizer_config.json"), "w"), indent=1)
    json.dump({"bos_token_id": 2, "eos_token_id": [1, vocab["<turn|>"], vocab["<|tool_response>"]], "pad_token_id": 0},
              open(os.path.join(path, "generation_config.json"), "w"), indent=1)


def write_flat_f32(path, cfg, tensors, tokenizer):
    """As on the hub: text_config nested, global shapes as flat fields, prefix model.language_model."""
    os.makedirs(path)
    save_file({f"model.language_model.{k}": v.float() for k, v in tensors.items()}, os.path.join(path, "model.safetensors"))
    cfg.allow_global_per_layer_attribute_access = True
    text = {k: getattr(cfg, k) for k in (
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "hidden_activation max_position_embeddings rms_norm_eps pad_token_id eos_token_id bos_token_id tie_word_embeddings "
        "rope_parameters attention_bias sliding_window layer_types final_logit_softcapping hidden_size_per_layer_input "
        "attention_k_eq_v num_kv_shared_layers enable_moe_block num_experts top_k_experts moe_intermediate_size").split()}
    shape = cfg.per_layer_config[cfg.num_hidden_layers - 1]
    text.update(model_type="gemma4_text", global_head_dim=shape.head_dim, num_global_key_value_heads=shape.num_key_value_heads)
    outer = {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "text_config": text, "eos_token_id": [1]}
    json.dump(outer, open(os.path.join(path, "config.json"), "w"), indent=1)
    write_side_files(path, tokenizer)


def write_sharded_bf16(path, model, cfg, tensors, tokenizer):
    """As transformers saves it: per_layer_config, prefix model., several files and their index."""
    os.makedirs(path)
    cfg.save_pretrained(path)
    items = sorted(tensors.items())
    index = {}
    for shard in range(3):
        name = f"model-{shard + 1:05d}-of-00003.safetensors"
        part = {f"model.{k}": v.to(torch.bfloat16) for k, v in items[shard::3]}
        save_file(part, os.path.join(path, name))
        index.update({k: name for k in part})
    json.dump({"metadata": {}, "weight_map": index}, open(os.path.join(path, "model.safetensors.index.json"), "w"), indent=0)
    write_side_files(path, tokenizer)


def quantise_q6_k(values):
    """ggml's q6_K block layout; scales by the largest value of each 16, no search."""
    blocks = values.reshape(-1, 16, 16).astype(np.float32)
    peak = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    scale = peak / -32.0
    top = np.take_along_axis(scale, np.abs(scale).argmax(-1)[..., None], -1)[..., 0]
    d = (top / -128.0).astype(np.float16)
    inverse = np.where(d != 0, 1.0 / np.where(d != 0, d.astype(np.float32), 1), 0)
    sub = np.clip(np.round(scale * inverse[:, None]), -128, 127).astype(np.int8)
    step = d.astype(np.float32)[:, None] * sub
    q = np.where(step[..., None] != 0, np.round(blocks / np.where(step != 0, step, 1)[..., None]), 0)
    q = (np.clip(q, -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)  # half, quarter, index
    low, high = q & 15, q >> 4
    ql = np.stack([low[:, :, 0] | (low[:, :, 2] << 4), low[:, :, 1] | (low[:, :, 3] << 4)], 2).reshape(-1, 128)
    qh = (high[:, :, 0] | (high[:, :, 1] << 2) | (high[:, :, 2] << 4) | (high[:, :, 3] << 6)).reshape(-1, 64)
    raw = np.concatenate([ql, qh, sub.view(np.uint8), d[:, None].view(np.uint8)], 1)
    return raw.reshape(*values.shape[:-1], values.shape[-1] // 256 * 210)


GGUF_LAYER = {
    "input_layernorm.weight": "attn_norm.weight", "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight", "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight", "post_attention_layernorm.weight": "post_attention_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight", "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight", "post_feedforward_layernorm_1.weight": "post_ffw_norm_1.weight",
    "pre_feedforward_layernorm_2.weight": "pre_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight": "post_ffw_norm_2.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight", "router.proj.weight": "ffn_gate_inp.weight", "router.scale": "ffn_gate_inp.scale",
    "router.per_expert_scale": "ffn_down_exps.scale", "experts.gate_up_proj": "ffn_gate_up_exps.weight", "experts.down_proj": "ffn_down_exps.weight",
    "layer_scalar": "layer_output_scale.weight"}


def gguf_name(name):
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{GGUF_LAYER[rest]}"


def write_gguf_metadata(w, cfg, tokenizer):
    cfg.allow_global_per_layer_attribute_access = True
    shape = cfg.per_layer_config[cfg.num_hidden_layers - 1]
    sliding = [t == "sliding_attention" for t in cfg.layer_types]
    w.add_block_count(cfg.num_hidden_layers)
    w.add_context_length(cfg.max_position_embeddings)
    w.add_embedding_length(cfg.hidden_size)
    w.add_feed_forward_length(cfg.intermediate_size)
    w.add_head_count(cfg.num_attention_heads)
    w.add_head_count_kv([cfg.num_key_value_heads if s else shape.num_key_value_heads for s in sliding])
    w.add_key_length(shape.head_dim)
    w.add_value_length(shape.head_dim)
    w.add_uint32("gemma4.attention.key_length_swa", cfg.head_dim)
    w.add_uint32("gemma4.attention.value_length_swa", cfg.head_dim)
    w.add_sliding_window(cfg.sliding_window)
    w.add_array("gemma4.attention.sliding_window_pattern", sliding)
    w.add_uint32("gemma4.attention.shared_kv_layers", 0)
    w.add_layer_norm_rms_eps(cfg.rms_norm_eps)
    w.add_rope_freq_base(1e6)
    w.add_float32("gemma4.rope.freq_base_swa", 1e4)
    w.add_rope_dimension_count(shape.head_dim)
    w.add_uint32("gemma4.rope.dimension_count_swa", cfg.head_dim)
    w.add_expert_count(cfg.num_experts)
    w.add_expert_used_count(cfg.top_k_experts)
    w.add_expert_feed_forward_length(cfg.moe_intermediate_size)
    w.add_uint32("gemma4.embedding_length_per_layer_input", 0)
    w.add_float32("gemma4.final_logit_softcapping", cfg.final_logit_softcapping)
    vocab = tokenizer["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    special = {t["content"] for t in tokenizer["added_tokens"] if t["special"]}
    types = [6 if t.startswith("<0x") else 2 if t == "<unk>" else 3 if t in special else 1 for t in tokens]
    w.add_tokenizer_model("gemma4")
    w.add_token_list(tokens)
    w.add_token_scores([-float(i) for i in range(len(tokens))])
    w.add_token_types(types)
    w.add_token_merges([" ".join(m) for m in tokenizer["model"]["merges"]])
    w.add_bos_token_id(2)
    w.add_eos_token_id(1)
    w.add_unk_token_id(3)
    w.add_pad_token_id(0)
    w.add_bool("tokenizer.ggml.add_space_prefix", False)
    w.add_add_bos_token(True)


def write_gguf(path, cfg, tensors, tokenizer, matrix_type, embedding_type=None, split=False):
    w = gguf.GGUFWriter(path, "gemma4")
    write_gguf_metadata(w, cfg, tokenizer)
    pairs = cfg.per_layer_config[cfg.num_hidden_layers - 1].head_dim // 2
    w.add_tensor("rope_freqs.weight", np.array([1.0] * (pairs // 4) + [1e30] * (pairs - pairs // 4), np.float32))

    def add(name, value, kind):
        value = value.float().numpy()
        if kind == QT.F32:
            w.add_tensor(name, value)
        elif kind == QT.Q6_K:
            w.add_tensor(name, quantise_q6_k(value), raw_dtype=QT.Q6_K)
        else:
            w.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)

    for name, value in tensors.items():
        target = gguf_name(name)
        plain = value.dim() < 2 or "router" in name
        kind = QT.F32 if plain else embedding_type or matrix_type if name == "embed_tokens.weight" else matrix_type
        if split and target.endswith("ffn_gate_up_exps.weight"):
            half = value.shape[1] // 2
            add(target.replace("gate_up", "gate"), value[:, :half].contiguous(), kind)
            add(target.replace("gate_up", "up"), value[:, half:].contiguous(), kind)
        else:
            add(target, value, kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer.tiny()
    cfg = config(hidden=64, layers=6, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model = Gemma4ForCausalLM(cfg).eval()
    initialise(model, seed=26)
    tensors = text_tensors(model)
    write_flat_f32(os.path.join(OUT, "tiny_f32"), cfg, tensors, tokenizer)
    write_sharded_bf16(os.path.join(OUT, "tiny_bf16"), model, cfg, tensors, tokenizer)
    write_gguf(os.path.join(OUT, "tiny_bf16.gguf"), cfg, tensors, tokenizer, QT.BF16)
    write_gguf(os.path.join(OUT, "tiny_q8_0.gguf"), cfg, tensors, tokenizer, QT.Q8_0)
    write_gguf(os.path.join(OUT, "tiny_q4_0.gguf"), cfg, tensors, tokenizer, QT.Q4_0)
    write_gguf(os.path.join(OUT, "tiny_q4_0_split.gguf"), cfg, tensors, tokenizer, QT.Q4_0, split=True)
    # Rows of 256 for q6_k; the form of Google's own file: q4_0 matrices, q6_k embedding, f32 norms.
    cfg256 = config(hidden=256, layers=3, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model256 = Gemma4ForCausalLM(cfg256).eval()
    initialise(model256, seed=27)
    write_gguf(os.path.join(OUT, "tiny256_q4_0_q6_k.gguf"), cfg256, text_tensors(model256), tokenizer, QT.Q4_0, QT.Q6_K)
    return 0


if __name__ == "__main__":
    sys.exit(main())
