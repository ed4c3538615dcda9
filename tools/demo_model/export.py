"""Exports a training checkpoint: `export.py RUN_DIR` writes checkpoint/ beside this file, as transformers lays a model out, in bf16.

With --gguf=DIR also demo_bf16.gguf, demo_q8_0.gguf and demo_q4_0.gguf there, from checkpoint/ (RUN_DIR may then be left out).
q4_0 keeps the embedding, which is also the head, in q8_0: of so small a vocabulary it costs half a megabyte.
"""

import argparse
import json
import os
import shutil
import sys

import gguf
import torch
from transformers import AutoModelForCausalLM

import network as networks

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINT = os.path.join(HERE, "checkpoint")
sys.path.insert(0, os.path.join(HERE, ".."))
import gguf_file  # noqa: E402
from gguf_file import QT  # noqa: E402

# Form -> type of the matrices, and of the embedding.
GGUF_TYPES = {"bf16": (QT.BF16, QT.BF16), "q8_0": (QT.Q8_0, QT.Q8_0), "q4_0": (QT.Q4_0, QT.Q8_0)}
STOPS = [1, 106, 50]  # as the real model's generation_config.json


def write_json(name, data):
    with open(os.path.join(CHECKPOINT, name), "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.write("\n")


def export(run):
    network = networks.Network(compiled=False)
    network.load_state_dict(torch.load(os.path.join(run, "checkpoint.pt"), weights_only=True)["network"])
    model = networks.to_transformers(network).to(torch.bfloat16)
    model.config.eos_token_id = STOPS
    model.generation_config.update(bos_token_id=2, eos_token_id=STOPS, pad_token_id=0, do_sample=True, temperature=1.0, top_k=64, top_p=0.95)
    model.save_pretrained(CHECKPOINT)
    os.chmod(os.path.join(CHECKPOINT, "model.safetensors"), 0o644)
    shutil.copy(os.path.join(run, "tokenizer.json"), CHECKPOINT)
    write_json("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": False, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
        "unk_token": "<unk>", "clean_up_tokenization_spaces": False, "model_max_length": network.shape.max_positions})


def load(form="bf16"):
    """The committed model in transformers; for q8_0 and q4_0 with its matrices rounded as in the GGUF of that form."""
    model = AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.bfloat16, attn_implementation="eager", experts_implementation="eager").eval()
    kind, embedding = GGUF_TYPES[form]
    with torch.no_grad():
        for name, p in model.named_parameters() if form != "bf16" else ():
            if p.dim() >= 2 and "router" not in name:
                quantised = gguf.quants.quantize(p.float().numpy(), embedding if "embed_tokens" in name else kind)
                p.copy_(torch.from_numpy(gguf.quants.dequantize(quantised, embedding if "embed_tokens" in name else kind)))
    return model


def write_ggufs(folder):
    model = load()
    tensors = {name.removeprefix("model."): tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    with open(os.path.join(CHECKPOINT, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    with open(os.path.join(CHECKPOINT, "chat_template.jinja"), encoding="utf-8") as file:
        template = file.read()
    os.makedirs(folder, exist_ok=True)
    for name, (kind, embedding) in GGUF_TYPES.items():
        gguf_file.write(os.path.join(folder, f"demo_{name}.gguf"), model.config, tensors, tokenizer, kind, embedding, chat_template=template)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", metavar="RUN_DIR")
    parser.add_argument("--gguf", metavar="DIR")
    arguments = parser.parse_args()
    if not arguments.run and not arguments.gguf:
        parser.error("give RUN_DIR, --gguf=DIR, or both")
    if arguments.run:
        export(arguments.run)
    if arguments.gguf:
        write_ggufs(arguments.gguf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
