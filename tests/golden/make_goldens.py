"""Writes what transformers and Hugging Face tokenizers say about the small checkpoints: the answers that our code is held to.

logits/prompts.txt      one prompt a line: its token ids. 64 of them, drawn from a seed and not selected, 24 to 40 tokens (the window is 8)
logits/logits.f32       [all positions of all prompts, 304] float32, little-endian: transformers in float32
logits/deviation.txt    per prompt: how far transformers in bfloat16 is from that, as a share of the largest logit
logits/greedy.txt       per prompt: 24 greedy tokens, each followed by the gap between its logit and the runner-up's
logits/gate.txt         prompt layer position, then expert and weight in rank order
logits/gate_input.f32   [lines of gate.txt, 64] float32: what the gate was given there
tokenizer/*.bin         records: u32 mode (0 control tokens parsed, 1 plain text), u32 bytes, text, u32 count, i32 ids, u32 bytes, decoded text
"""

import os
import random
import struct
import sys
import unicodedata

import torch
import tokenizers
from transformers.models.gemma4 import Gemma4ForCausalLM

import make_checkpoints
import tiny_tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))


def tiny_model(dtype):
    cfg = make_checkpoints.config(hidden=64, layers=6, head_dim=32, global_head_dim=64, expert_dim=96, dense_dim=160)
    model = Gemma4ForCausalLM(cfg).eval()
    make_checkpoints.initialise(model, seed=26)
    return model.to(dtype)


def run(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens])).logits[0].float()


def write_logits():
    out = os.path.join(HERE, "logits")
    os.makedirs(out, exist_ok=True)
    rng = random.Random(4)
    prompts = [[2] + [rng.randrange(5, 304) for _ in range(rng.randrange(23, 40))] for _ in range(64)]
    f32, bf16 = tiny_model(torch.float32), tiny_model(torch.bfloat16)
    gate = []

    def hook(layer):
        def record(_module, inputs, outputs):
            gate.append((layer, inputs[0], outputs))
        return record

    handles = [layer.router.register_forward_hook(hook(i)) for i, layer in enumerate(f32.model.layers)]
    gate_inputs = []
    lines = {"prompts": [], "deviation": [], "greedy": [], "gate": []}
    with open(os.path.join(out, "logits.f32"), "wb") as f:
        for index, prompt in enumerate(prompts):
            gate.clear()
            logits = run(f32, prompt)
            if index < 4:
                for layer, inputs, outputs in gate:
                    gate_inputs.append(inputs.reshape(len(prompt), -1).float())
                    weights, experts = outputs[-2], outputs[-1]
                    if weights.dtype in (torch.int64, torch.int32):
                        weights, experts = experts, weights
                    for position in range(len(prompt)):
                        pairs = " ".join(f"{int(e)} {float(w):.9g}" for e, w in zip(experts[position], weights[position]))
                        lines["gate"].append(f"{index} {layer} {position} {pairs}")
            f.write(logits.contiguous().numpy().astype("<f4").tobytes())
            peak = logits.abs().max()
            lines["prompts"].append(" ".join(map(str, prompt)))
            lines["deviation"].append(f"{float((run(bf16, prompt) - logits).abs().max() / peak):.6g}")
            tokens, greedy = list(prompt), []
            for _ in range(24):
                top = run(f32, tokens)[-1].topk(2)
                tokens.append(int(top.indices[0]))
                greedy.append(f"{tokens[-1]} {float(top.values[0] - top.values[1]):.6g}")
            lines["greedy"].append(" ".join(greedy))
    for handle in handles:
        handle.remove()
    open(os.path.join(out, "gate_input.f32"), "wb").write(torch.cat(gate_inputs).numpy().astype("<f4").tobytes())
    for name, text in lines.items():
        open(os.path.join(out, name + ".txt"), "w").write("\n".join(text) + "\n")


def random_character(rng):
    while True:
        code = rng.choice([rng.randrange(0x20, 0x7F), rng.randrange(0xA0, 0x2000), rng.randrange(0x2000, 0x3000),
                           rng.randrange(0x3000, 0xD800), rng.randrange(0xE000, 0x10000), rng.randrange(0x10000, 0x110000),
                           rng.randrange(0x1F300, 0x1FAFF), rng.randrange(0x300, 0x370)])
        if unicodedata.category(chr(code)) != "Cs":
            return chr(code)


def strings(rng, count):
    controls = tiny_tokenizer.CONTROL + tiny_tokenizer.SPECIAL
    words = ["the", "other", "return", "def", "self", "print", "GNU", "license", "i", "in", "1234567", "0.5e-3", "x==y;", "don't", "\u00c4pfel", "na\u00efve",
             "\u4e2d\u6587\u5206\u8bcd", "\u0434\u0430", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F999", "e\u0301", "\u2581", "\u2581\u2581x", "<0x41>", "<unused3>", "</s>"]
    spaces = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\n\n\n\n", "\t", "\t\t", " \n ", "\u00a0", "\u3000", "\r\n", "          "]
    fixed = ["", " ", "\n", "\u2581", "a", " a", "a ", "<bos>", "<|turn>user\nHi<turn|>\n", "<|turn", "<<bos>>", "<bos><bos>", "\x00", "\x7f", "\ufeff", "\uffff", "\U0010ffff"]
    for text in fixed:
        yield text
    for _ in range(count - len(fixed)):
        kind = rng.randrange(6)
        if kind == 0:
            yield "".join(random_character(rng) for _ in range(rng.randrange(1, 12)))
        elif kind == 1:
            yield "".join(rng.choice(words + controls) + rng.choice(spaces + [""]) for _ in range(rng.randrange(1, 8)))
        elif kind == 2:
            yield "".join(rng.choice(spaces) + rng.choice(words) for _ in range(rng.randrange(1, 10)))
        elif kind == 3:
            yield "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(1, 40)))
        elif kind == 4:
            yield "".join(rng.choice(spaces) for _ in range(rng.randrange(1, 12)))
        else:
            yield "".join(rng.choice("etaoinshr dlu\n") for _ in range(rng.randrange(1, 60)))


def write_tokenizer(name, data, count, seed):
    out = os.path.join(HERE, "tokenizer")
    os.makedirs(out, exist_ok=True)
    path = os.path.join(out, name + ".json")
    tiny_tokenizer.write(path, data)
    rng = random.Random(seed)
    parse = tokenizers.Tokenizer.from_file(path)
    plain = tokenizers.Tokenizer.from_file(path)
    plain.encode_special_tokens = True
    with open(os.path.join(out, name + ".bin"), "wb") as f:
        for text in strings(rng, count):
            for mode, tokenizer in ((0, parse), (1, plain)):
                if mode == 1 and not any(c in text for c in ("<", "|")):
                    continue
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                raw, decoded = text.encode(), tokenizer.decode(ids, skip_special_tokens=False).encode()
                f.write(struct.pack("<II", mode, len(raw)) + raw + struct.pack(f"<I{len(ids)}i", len(ids), *ids) + struct.pack("<I", len(decoded)) + decoded)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    write_logits()
    write_tokenizer("tiny", tiny_tokenizer.tiny(), 3000, seed=1)
    write_tokenizer("trained", tiny_tokenizer.trained(), 10000, seed=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
