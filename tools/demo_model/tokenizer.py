"""The demo model's tokenizer: byte-fallback BPE in Gemma 4's form, trained on the corpus.

Control tokens have the ids of the real vocabulary (0 to 106), newline is 107, runs of spaces begin at 138. Merges never join a space
with a capital, a digit or punctuation, so that a name is cut alike wherever it stands: a small model copies what it can recognise.
"""

import json

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

SIZE = 4096
SPACE = "\u2581"
CONTROL = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>", 49: "<tool_call|>",
           50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>", 101: "<channel|>",
           105: "<|turn>", 106: "<turn|>"}
RUNS = {107: "\n", 108: "\n\n", 109: "\n\n\n", 110: "\n\n\n\n", 138: SPACE * 2, 139: SPACE * 3, 140: SPACE * 4}
RUN_MERGES = [["\n", "\n"], ["\n\n", "\n\n"], ["\n\n", "\n"], [SPACE, SPACE], [SPACE * 2, SPACE * 2], [SPACE * 2, SPACE]]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
PIECES = rf"{SPACE}?[a-z]+|[A-Z][a-z]+|[A-Z]|\d|{SPACE}|\n|[^{SPACE}\na-zA-Z\d]"


def _special_tokens():
    """id -> token of everything below the newline; gaps are the real vocabulary's unused tokens."""
    return {i: CONTROL.get(i, "[multimodal]" if i == 5 else f"<unused{i - 6 if i < 46 else i - 13}>") for i in range(107)}


def train(texts):
    """The content of tokenizer.json, as Hugging Face lays it out."""
    special = _special_tokens()
    reserved = list(special.values()) + list(RUNS.values()) + BYTES
    model = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    model.normalizer = normalizers.Replace(" ", SPACE)
    model.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(PIECES), "isolated")
    model.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=SIZE - len(reserved) + 1, show_progress=False, min_frequency=2, limit_alphabet=110,
        initial_alphabet=[SPACE, "\n"] + [chr(c) for c in range(33, 127)]))
    learned = json.loads(model.to_str())["model"]
    order = [t for t in sorted(learned["vocab"], key=learned["vocab"].get) if t != "\n"]
    free = iter(BYTES + order)
    fixed = {**special, **RUNS}
    vocab = {fixed[i] if i in fixed else next(free): i for i in range(SIZE)}
    merges = [m if isinstance(m, list) else m.split(" ") for m in learned["merges"]]
    kept = [m for m in merges if m[0] in vocab and m[1] in vocab and m[0] + m[1] in vocab]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                         for i, t in special.items()],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocab, "merges": RUN_MERGES + kept},
    }


def write(path, data):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, separators=(",", ":"))


def load(path):
    return tokenizers.Tokenizer.from_file(path)
