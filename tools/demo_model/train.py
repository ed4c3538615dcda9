"""Trains the demo model: `train.py --out DIR`. Resumes from DIR where a checkpoint is there; the data and their order are seeded.

DIR gets tokenizer.json, rows_STEPS.npz, log.csv, and checkpoint.pt with weights, optimiser and step (the last three are kept).
"""

import argparse
import csv
import os
import random
import sys
import time

# Kernels are compiled for every size of an expert's group that turns up. Room for all of them, so that none is compiled twice.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")

import numpy as np
import torch

import network as networks
import pieces
import samples
import scores
import tokenizer
from corpus import dialogues, prose
from muon import Muon

BATCH_ROWS = 8
LOSS_ROWS = 4096      # positions of a batch whose loss is computed: all spoken ones, then the others as they come
BALANCE = 0.02        # weight of the balance loss
LEARNING_RATE = {"matrices": 0.015, "embedding": 0.002, "gate": 0.002, "vectors": 0.003}
WARM_UP = 100         # steps
DECAY_SHARE = 0.4     # of the run, at its end, to zero
SAVE_SECONDS = 300
TOKENIZER_DIALOGUES = 12000


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=3000, help="of 8 rows of 1024 tokens (default: %(default)s)")
    return parser.parse_args()


def make_tokenizer(path):
    def texts():
        for i in range(TOKENIZER_DIALOGUES):
            yield "".join(text for text, _ in pieces.pieces(dialogues.make_dialogue(f"tokenizer {i}"), random.Random(i)))
        yield from prose.documents()
    tokenizer.write(path, tokenizer.train(texts()))


def make_rows(out, steps):
    """Of so many steps: another number of steps is another draw, and gets a file of its own."""
    path = os.path.join(out, f"rows_{steps}.npz")
    if not os.path.exists(path):
        vocabulary = os.path.join(out, "tokenizer.json")
        make_tokenizer(vocabulary)
        # A dialogue is some 360 tokens and rows are nearly full; a tenth more than needed is made.
        wanted = int(1.1 * steps * BATCH_ROWS * samples.ROW * (1 - samples.PROSE_SHARE) / 360)
        if wanted > scores.TRAINING_DIALOGUES_MAX:
            sys.exit(f"train: {steps} steps take {wanted} dialogues; the held-out ones are told apart from {scores.TRAINING_DIALOGUES_MAX} "
                     "(scores.TRAINING_DIALOGUES_MAX)")
        tokens, codes, segments, said = samples.build(vocabulary, wanted)
        print(said, flush=True)
        np.savez(path + ".part.npz", tokens=tokens, codes=codes, segments=segments)
        os.replace(path + ".part.npz", path)
    return np.load(path)


def batch(rows, step):
    """Tensors of one step: tokens, segments, positions whose loss counts, their targets and weights."""
    count = len(rows["tokens"])
    pick = np.arange(step * BATCH_ROWS, (step + 1) * BATCH_ROWS) % count
    tokens = torch.from_numpy(rows["tokens"][pick].astype(np.int64))
    codes = rows["codes"][pick].reshape(-1)
    # Spoken first; of the others as many as there is room for, drawn evenly.
    priority = (np.random.default_rng(step).random(len(codes)) - 2.0 * (codes == pieces.SPOKEN) - 1.0 * (codes == pieces.HALF)
                + 9.0 * (codes == pieces.NOTHING))
    chosen = np.sort(np.argpartition(priority, LOSS_ROWS)[:LOSS_ROWS])
    targets = np.roll(tokens.numpy().reshape(-1), -1)[chosen]
    weights = np.array(samples.WEIGHTS, np.float32)[codes[chosen]]
    return (tokens, torch.from_numpy(rows["segments"][pick].astype(np.int32)), torch.from_numpy(chosen), torch.from_numpy(targets),
            torch.from_numpy(weights))


def make_optimizers(network):
    groups = {name: [] for name in LEARNING_RATE}
    for name, p in network.named_parameters():
        kind = "embedding" if "embed_tokens" in name else "gate" if "router.proj" in name else "matrices" if p.dim() >= 2 else "vectors"
        groups[kind].append(p)
    muon = Muon(groups.pop("matrices"), LEARNING_RATE["matrices"])
    adam = torch.optim.AdamW([{"params": p, "lr": LEARNING_RATE[name]} for name, p in groups.items()], betas=(0.9, 0.95), eps=1e-10,
                             weight_decay=0.0, fused=True)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    return muon, adam


def rate(step, steps):
    return min(1.0, (step + 1) / WARM_UP, (steps - step) / (DECAY_SHARE * steps))


def save(out, network, optimizers, step):
    path = os.path.join(out, "checkpoint.pt")
    torch.save({"step": step, "network": network.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}, path + ".part")
    for old, new in ((".1", ".2"), ("", ".1")):
        if os.path.exists(path + old):
            os.replace(path + old, path + new)
    os.replace(path + ".part", path)


def resume(out, network, optimizers):
    paths = [os.path.join(out, "checkpoint.pt" + age) for age in ("", ".1", ".2")]
    path = next(filter(os.path.exists, paths), None)
    if path is None:
        return 0
    saved = torch.load(path, weights_only=True)
    network.load_state_dict(saved["network"])
    for optimizer, state in zip(optimizers, saved["optimizers"]):
        optimizer.load_state_dict(state)
    print(f"resumed at step {saved['step']}", flush=True)
    return saved["step"]


def train(out, steps):
    rows = {name: array for name, array in make_rows(out, steps).items()}
    torch.manual_seed(scores.TRAINING_SEED)
    network = networks.Network()
    optimizers = make_optimizers(network)
    first = resume(out, network, optimizers)
    log_file = open(os.path.join(out, "log.csv"), "a", encoding="utf-8", newline="", buffering=1)
    log = csv.writer(log_file)
    saved_at, begin, sums = time.time(), time.time(), []
    for step in range(first, steps):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_lr"] * rate(step, steps)
        loss, balance, load = network(*batch(rows, step))
        (loss + BALANCE * balance).backward()
        if not torch.isfinite(loss):
            sys.exit(f"train: the loss of step {step} is {loss.item()}; the last checkpoint is in {out}")
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        sums.append((loss.item(), balance.item(), load.min().item(), load.max().item()))
        if (step + 1) % 20 == 0:
            mean = np.array(sums).mean(0)
            speed = len(sums) * BATCH_ROWS * samples.ROW / (time.time() - begin)
            log.writerow([step + 1, *(f"{x:.4f}" for x in mean), f"{speed:.0f}"])
            print(f"step {step + 1}: loss {mean[0]:.4f} balance {mean[1]:.3f} load {mean[2]:.3f} to {mean[3]:.3f}, {speed:.0f} tokens/s", flush=True)
            begin, sums = time.time(), []
        if time.time() - saved_at > SAVE_SECONDS or step + 1 == steps:
            save(out, network, optimizers, step + 1)
            saved_at = time.time()
    log_file.close()


def main():
    arguments = parse_arguments()
    os.makedirs(arguments.out, exist_ok=True)
    networks.keep_freed_memory()
    train(arguments.out, arguments.steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
