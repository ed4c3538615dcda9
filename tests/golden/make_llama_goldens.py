"""Writes what llama.cpp says about the small GGUF files: a second opinion by another code base, for the quantised formats the only one.

    LLAMA_CPP_LIB=DIR tests/golden/make_llama_goldens.py      (where DIR comes from: bench/serve/llama_cpp/llama_cpp.py)

llama_cpp/NAME.f32      [all positions of the first 16 prompts of logits/prompts.txt, 304] float32, little-endian: logits of NAME.gguf
llama_cpp/agreement.txt per NAME: prompts, positions, then how its next-token distributions differ from those of transformers in float32 on
                        the same stored weights, widened to float32 (largest probability difference at a position: median, 90th and
                        99th percentile, worst), and at how many positions the first choice is the same

tiny_f32.gguf is made for this run and thrown away: its weights are those of checkpoints/tiny_f32, so tiny_f32.f32 judges the model itself.
In the other forms llama.cpp rounds activations to 8 bits, and a router near-tie then goes the other way now and then: what
agreement.txt says about them is "its own rounding".

One thread, F32 KV, flash attention off. Not expected to give the same bytes on another machine: llama.cpp sums in an order that depends on
the instruction set. Read with a tolerance.
"""

import os
import sys
import tempfile

import gguf
import numpy as np
import torch
from transformers.models.gemma4 import Gemma4ForCausalLM

import make_checkpoints
import tiny_tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench", "serve", "llama_cpp"))

import llama_cpp  # noqa: E402

PROMPTS = 16


def probabilities(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def widened_model(path):
    """transformers' model in float32 with the weights of a GGUF file, one form of the tiny shape."""
    cfg = make_checkpoints.config(hidden=64, layers=6, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model = Gemma4ForCausalLM(cfg).eval()
    stored = {t.name: t for t in gguf.GGUFReader(path).tensors}
    with torch.no_grad():
        for name, tensor in make_checkpoints.text_tensors(model).items():
            source = stored[make_checkpoints.gguf_name(name)]
            values = torch.from_numpy(np.array(gguf.quants.dequantize(source.data, source.tensor_type), np.float32))
            owner = model.model.get_submodule(name.rpartition(".")[0])
            getattr(owner, name.rpartition(".")[2]).copy_(values.reshape(tensor.shape))
    return model


def write_f32_gguf(path):
    cfg = make_checkpoints.config(hidden=64, layers=6, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model = Gemma4ForCausalLM(cfg).eval()
    make_checkpoints.initialise(model, seed=26)
    make_checkpoints.write_gguf(path, cfg, make_checkpoints.text_tensors(model), tiny_tokenizer.tiny(), make_checkpoints.QT.F32)


def llama_logits(lib_dir, path, prompts):
    llama = llama_cpp.LlamaCpp(lib_dir, path, 256, 1, llama_cpp.F32, 0, all_logits=True)
    rows = []
    for prompt in prompts:
        llama.forget()
        llama.decode(prompt, 0, all_logits=True)
        rows += [llama.logits(i) for i in range(len(prompt))]
    llama.close()
    return np.array(rows, "<f4")


def agreement(ours, theirs):
    ours, theirs = probabilities(ours.astype(np.float64)), probabilities(theirs.astype(np.float64))
    gap = np.abs(ours - theirs).max(-1)
    quantiles = " ".join(f"{q:.3g}" for q in np.quantile(gap, [0.5, 0.9, 0.99, 1.0]))
    return f"{quantiles} {int((ours.argmax(-1) == theirs.argmax(-1)).sum())}"


def main():
    lib_dir = os.environ.get("LLAMA_CPP_LIB")
    if not lib_dir:
        print("LLAMA_CPP_LIB must name the folder of llama.cpp's libraries", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    lines = open(os.path.join(HERE, "logits", "prompts.txt")).read().splitlines()[:PROMPTS]
    prompts = [[int(t) for t in line.split()] for line in lines]
    out = os.path.join(HERE, "llama_cpp")
    os.makedirs(out, exist_ok=True)
    report = []
    with tempfile.TemporaryDirectory() as scratch:
        write_f32_gguf(os.path.join(scratch, "tiny_f32.gguf"))
        for name in ("tiny_f32", "tiny_q8_0", "tiny_q4_0"):
            path = os.path.join(scratch if name == "tiny_f32" else os.path.join(HERE, "checkpoints"), name + ".gguf")
            logits = llama_logits(lib_dir, path, prompts)
            logits.tofile(os.path.join(out, name + ".f32"))
            model = widened_model(path)
            with torch.no_grad():
                reference = np.concatenate([model(input_ids=torch.tensor([p])).logits[0].numpy() for p in prompts])
            report.append(f"{name} {len(prompts)} {len(logits)} {agreement(logits, reference)}")
    open(os.path.join(out, "agreement.txt"), "w").write("\n".join(report) + "\n")
    print("\n".join(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
