"""Writes the small random checkpoints that tests and the demo use: every feature of Gemma 4 26B-A4B in a few hundred kilobytes.

All forms of one shape hold the same weights (bf16-exact values), so their results are comparable. Initialisation is chosen to
make mistakes show: norms away from one, q_norm unlike k_norm, logits large enough for the soft cap, routing neither uniform nor collapsed.
"""

import json
import os
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers.models.gemma4 import Gemma4ForCausalLM, Gemma4TextConfig

import tiny_tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "checkpoints")
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import gguf_file  # noqa: E402
from gguf_file import QT  # noqa: E402


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
    gguf_file.write(os.path.join(OUT, "tiny_bf16.gguf"), cfg, tensors, tokenizer, QT.BF16)
    gguf_file.write(os.path.join(OUT, "tiny_q8_0.gguf"), cfg, tensors, tokenizer, QT.Q8_0)
    gguf_file.write(os.path.join(OUT, "tiny_q4_0.gguf"), cfg, tensors, tokenizer, QT.Q4_0)
    gguf_file.write(os.path.join(OUT, "tiny_q4_0_split.gguf"), cfg, tensors, tokenizer, QT.Q4_0, split=True)
    # Rows of 256 for q6_k; the form of Google's own file: q4_0 matrices, q6_k embedding, f32 norms.
    cfg256 = config(hidden=256, layers=3, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model256 = Gemma4ForCausalLM(cfg256).eval()
    initialise(model256, seed=27)
    gguf_file.write(os.path.join(OUT, "tiny256_q4_0_q6_k.gguf"), cfg256, text_tensors(model256), tokenizer, QT.Q4_0, QT.Q6_K)
    return 0


if __name__ == "__main__":
    sys.exit(main())
