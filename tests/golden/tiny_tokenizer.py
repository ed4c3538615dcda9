"""Small tokenizers in exactly Gemma 4's form: BPE with byte fallback over text whose spaces have become U+2581."""

import glob
import json

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
CONTROL = ["<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>',
           "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def gemma_json(vocab, merges, added):
    """tokenizer.json as Gemma's: normaliser, a pre-tokeniser that never splits, byte fallback, decoder."""
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": special} for t, special in added],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }


def tiny():
    """304 tokens: the control tokens, newline, the space mark, all bytes, some letters and a few merges."""
    letters = list("etaoinshrdlumcwkg.,")
    merges = [["t", "h"], ["h", "e"], ["i", "n"], ["\u2581", "t"], ["\u2581", "a"], ["a", "n"], ["e", "r"],
              ["\u2581", "th"], ["\u2581th", "e"], ["r", "e"]]
    tokens = SPECIAL + CONTROL + ["\n", "\u2581"] + BYTES + letters + ["".join(m) for m in merges]
    assert len(tokens) == 304, len(tokens)
    vocab = {t: i for i, t in enumerate(tokens)}
    return gemma_json(vocab, merges, [(t, True) for t in SPECIAL + CONTROL])


def trained(size=4096):
    """About four thousand tokens, trained on text that every Debian machine has; newline and space runs as Gemma has them."""
    runs = ["\n" * n for n in range(2, 9)] + ["\u2581" * n for n in range(2, 9)] + ["\t", "\t\t"]
    texts = []
    for pattern in ("/usr/share/common-licenses/*", "/usr/lib/python3/dist-packages/*.py", "/usr/lib/python3*/[a-m]*.py"):
        for path in sorted(glob.glob(pattern))[:60]:
            try:
                texts.append(open(path, encoding="utf-8").read()[:60000])
            except (OSError, UnicodeDecodeError):
                continue
    model = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    model.normalizer = normalizers.Replace(" ", "\u2581")
    model.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(r"\d"), "isolated"),
        pre_tokenizers.Split(tokenizers.Regex("\u2581?[^\u2581\n]+|\u2581+|\n+"), "isolated")])
    reserved = SPECIAL + CONTROL + BYTES
    model.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size - len(runs), special_tokens=reserved, show_progress=False,
        initial_alphabet=["\n", "\u2581"] + [chr(c) for c in range(33, 127)] + list("\u00e9\u00fc\u00df\u00c4\u4e2d\u6587\u0434\u0430")))
    learned = json.loads(model.to_str())["model"]
    order = sorted(learned["vocab"], key=learned["vocab"].get)
    tokens = reserved + runs + [t for t in order if t not in reserved and t not in runs]
    vocab = {t: i for i, t in enumerate(tokens)}
    merges = [m if isinstance(m, list) else m.split(" ") for m in learned["merges"]]
    return gemma_json(vocab, merges, [(t, True) for t in SPECIAL + CONTROL] + [(r, False) for r in runs])


def write(path, data):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
