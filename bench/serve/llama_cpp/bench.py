"""Times llama.cpp on a GGUF file, on CPU: the peer whose speed ours is stated beside.

    bench/serve/llama_cpp/bench.py --model=FILE.gguf [--threads=2] [--prefill_tokens=512] [--decode_tokens=32] [--runs=3]

Prefill is one prompt of random tokens into an empty cache; decode is one token at a time after that prompt. Prints one
JSON line with the medians of the runs, every single run, and the instruction sets that llama.cpp uses. See llama_cpp.py for the library.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time

from llama_cpp import LlamaCpp


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--lib_dir", default=os.environ.get("LLAMA_CPP_LIB"), help="folder of llama.cpp's .so files; default $LLAMA_CPP_LIB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill_tokens", type=int, default=512)
    parser.add_argument("--decode_tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not args.lib_dir:
        parser.error("--lib_dir or LLAMA_CPP_LIB must name the folder of llama.cpp's libraries")
    return args


def prefill_speed(llama, prompt):
    llama.forget()
    start = time.perf_counter()
    llama.decode(prompt, 0)
    return len(prompt) / (time.perf_counter() - start)


def decode_speed(llama, prompt_tokens, tokens):
    """Steps through `tokens` after the prompt that the cache holds. They are drawn, not sampled: the model's work is the same, and
    choosing among 262,144 logits in Python would be timed as if it were llama.cpp's."""
    start = time.perf_counter()
    for i, token in enumerate(tokens):
        llama.decode([token], prompt_tokens + i)
    return len(tokens) / (time.perf_counter() - start)


def main():
    args = arguments()
    loading = time.perf_counter()
    llama = LlamaCpp(args.lib_dir, args.model, args.prefill_tokens + 2 * args.decode_tokens + 16, args.threads)
    load_seconds = time.perf_counter() - loading
    rng = random.Random(args.seed)
    draw = lambda n: [rng.randrange(260, llama.vocab_size) for _ in range(n)]
    llama.decode([2] + draw(15), 0)  # touches the weights once
    prefill, decode = [], []
    for _ in range(args.runs):
        prompt = [2] + draw(args.prefill_tokens - 1)
        prefill.append(prefill_speed(llama, prompt))
        decode.append(decode_speed(llama, len(prompt), draw(args.decode_tokens)))
    print(json.dumps({
        "engine": "llama.cpp " + llama.version(), "model": os.path.basename(args.model), "threads": args.threads,
        "prefill_tokens": args.prefill_tokens, "prefill_tokens_per_second": round(statistics.median(prefill), 2),
        "decode_tokens": args.decode_tokens, "decode_tokens_per_second": round(statistics.median(decode), 2), "runs": args.runs,
        "prefill_runs": [round(x, 2) for x in prefill], "decode_runs": [round(x, 2) for x in decode],
        "load_seconds": round(load_seconds, 2), "system": llama.system_info()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
