"""Perplexity of the demo model, and how evenly it uses its experts, through our engine and through transformers.

  perplexity.py [--dialogues=200]     needs .venv-oracles, `bazel build //bench/model:perplexity`, and debian packages of tools/setup --training

Scored are what the model should say in held-out dialogues, and prose that it was not trained on: Debian's constitution and manifesto
(package doc-debian).
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile

import torch

import export
import pieces
import samples
import scores
import tokenizer
from router_client import BINARIES

BENCH = os.path.join(BINARIES, "bench", "model", "perplexity")
PROSE = ("/usr/share/doc/debian/constitution.txt.gz", "/usr/share/doc/debian/debian-manifesto.gz")


def dialogue_sequences(tok, count):
    held_out, _ = scores.held_out(count, scores.fingerprints(scores.training_seeds()))
    for i, dialogue in enumerate(held_out):
        ids, codes = samples.encode(tok, pieces.pieces(dialogue, random.Random(i)))
        spoken = [code == pieces.SPOKEN for code in codes]
        edges = [p for p in range(1, len(ids) + 1) if p == len(ids) or spoken[p] != spoken[p - 1]]
        ranges = [(begin, end) for begin, end in zip([0] + edges, edges) if spoken[begin]]
        yield ids, ranges


def prose_sequences(tok):
    for path in PROSE:
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: install doc-debian (tools/setup --training does)")
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            paragraphs = file.read().split("\n\n")
        text = "\n".join(" ".join(p.split()) for p in paragraphs if len(p) > 60)
        ids = tok.encode(text, add_special_tokens=False).ids
        for begin in range(0, len(ids), samples.ROW - 1):
            part = [2] + ids[begin:begin + samples.ROW - 1]
            if len(part) > 64:
                yield part, [(1, len(part))]


def write_sequences(path, sequences):
    with open(path, "w", encoding="utf-8") as file:
        for ids, ranges in sequences:
            file.write(" ".join(f"{a}:{b}" for a, b in ranges) + " | " + " ".join(map(str, ids)) + "\n")


def through_ours(model, path, load_path):
    output = subprocess.run([BENCH, f"--model={model}", f"--sequences={path}", f"--load={load_path}"], check=True, stdout=subprocess.PIPE, text=True)
    with open(load_path, encoding="utf-8") as file:
        load = torch.tensor([[float(x) for x in line.split(",")] for line in file])
    return json.loads(output.stdout.splitlines()[-1])["perplexity"], load / load.sum(1, keepdim=True)


def through_transformers(model, sequences):
    total, count = 0.0, 0
    for ids, ranges in sequences:
        with torch.no_grad():
            log_p = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
        for begin, end in ranges:
            positions = torch.arange(begin, end)
            total -= log_p[positions - 1, torch.tensor(ids)[positions]].sum().item()
            count += end - begin
    return torch.tensor(total / count).exp().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=200)
    arguments = parser.parse_args()
    tok = tokenizer.load(os.path.join(export.CHECKPOINT, "tokenizer.json"))
    texts = {"dialogues": list(dialogue_sequences(tok, arguments.dialogues)), "prose": list(prose_sequences(tok))}
    with tempfile.TemporaryDirectory() as folder:
        export.write_ggufs(folder)
        for text, sequences in texts.items():
            path = os.path.join(folder, "sequences")
            write_sequences(path, sequences)
            print(f"{text}: {len(sequences)} sequences, {sum(b - a for _, ranges in sequences for a, b in ranges)} scored tokens", flush=True)
            for form in export.GGUF_TYPES:
                ours, load = through_ours(os.path.join(folder, f"demo_{form}.gguf"), path, os.path.join(folder, "load"))
                theirs = through_transformers(export.load(form), sequences)
                print(f"  {form}: perplexity {ours:.4f} ours, {theirs:.4f} transformers; load of an expert in its layer "
                      f"{load.min():.1%} to {load.max():.1%}", flush=True)
                if text == "dialogues" and form == "bf16":
                    print("  lowest and highest share by layer: " + ", ".join(f"{row.min():.1%}-{row.max():.1%}" for row in load))
    return 0


if __name__ == "__main__":
    sys.exit(main())
