"""Writes GGUF files of Gemma 4: metadata, tensor names and quantised blocks, from a transformers config and tensors under their names."""

import gguf
import numpy as np

QT = gguf.GGMLQuantizationType

LAYER = {
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
    return f"blk.{layer}.{LAYER[rest]}"


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


def _add_model(w, cfg):
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


def _add_tokenizer(w, tokenizer):
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


def _add_tensor(w, name, value, kind):
    value = value.float().numpy()
    if kind == QT.F32:
        w.add_tensor(name, value)
    elif kind == QT.Q6_K:
        w.add_tensor(name, quantise_q6_k(value), raw_dtype=QT.Q6_K)
    else:
        w.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)


def write(path, cfg, tensors, tokenizer, matrix_type, embedding_type=None, split=False, chat_template=None):
    """Matrices of `matrix_type`, the embedding of `embedding_type` where that differs; norms, gate and scales stay float32.

    tensors: torch, by transformers' names without their prefix. split: the experts' gate and up as two tensors.
    """
    w = gguf.GGUFWriter(path, "gemma4")
    _add_model(w, cfg)
    _add_tokenizer(w, tokenizer)
    if chat_template:
        w.add_chat_template(chat_template)
    pairs = cfg.per_layer_config[cfg.num_hidden_layers - 1].head_dim // 2
    w.add_tensor("rope_freqs.weight", np.array([1.0] * (pairs // 4) + [1e30] * (pairs - pairs // 4), np.float32))
    for name, value in tensors.items():
        target = gguf_name(name)
        plain = value.dim() < 2 or "router" in name
        kind = QT.F32 if plain else embedding_type or matrix_type if name == "embed_tokens.weight" else matrix_type
        if split and target.endswith("ffn_gate_up_exps.weight"):
            half = value.shape[1] // 2
            _add_tensor(w, target.replace("gate_up", "gate"), value[:, :half].contiguous(), kind)
            _add_tensor(w, target.replace("gate_up", "up"), value[:, half:].contiguous(), kind)
        else:
            _add_tensor(w, target, value, kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
