"""An agent's session turn by turn, as the KV cache sees it: what it finds again, what that is worth, and what memory it takes.

    bazel build //router
    python3 bench/serve/replay.py --model=MODEL --trace=TRACE.json [--max_context=16384] [--kv_bytes=…] [--prefill_chunk=512]

TRACE is a session in the format of callanjfox/kv-cache-tester (Claude Code sessions, anonymised: lengths of prompts and answers, and ids of blocks of 64
tokens, equal where the tokens before and in the block are). Lengths are divided so that the longest prompt and its answer fit --max_context. Tokens are
drawn; a prompt goes on from the earlier one that it shares most blocks with: from all of it and the answer that was generated, where the trace's prompt
has all its blocks and is long enough; else from the blocks they share. Answers are made of one known token each, by logit_bias.

1. Reuse. Best possible: the longest beginning that a prompt has in common with any earlier prompt and its answer, all but its last token. The router
   says what it found (`cached_tokens`). Target: 95 % of it over the session. It finds whole blocks of 64, where it has a checkpoint of the window.
2. Time to the first token of a long prompt, cold and on a hit (the same and 8 tokens more), each time with fresh contents; medians. Target: 20 times
   sooner. Best possible: as many times as fewer tokens are computed, about 200: what is beyond the last border of a block is computed again.
3. Bytes of keys and values that a running sequence holds, beside the model's need: in sliding layers keys and values of the window, in global ones
   values and the rotated quarter of the keys of every token (kv_layout.h). What blocks of 64 round up comes on top: 6 % of the 26B's window.
"""

import argparse
import csv
import json
import os
import random
import sys
import threading

import servers
from servers import median, say

NEW_TOKENS = 8
BIAS = 100  # logits are capped to 30 either way, so that a token with this bias is chosen


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model directory or GGUF file")
    parser.add_argument("--trace", help="session to replay; without it part 1 is left out")
    parser.add_argument("--turns", type=int, default=33, help="of the session, from its beginning")
    parser.add_argument("--parts", default="1,2,3")
    parser.add_argument("--max_context", type=int, default=16384, help="the router's flag")
    parser.add_argument("--kv_bytes", type=int, default=3 << 30, help="the router's flag")
    parser.add_argument("--prefill_chunk", type=int, default=512, help="the router's flag")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=0, help="expert workers beside the router; 0: one process")
    parser.add_argument("--long_prompt", type=int, default=8192, help="tokens of part 2's prompts, and up to 63 more")
    parser.add_argument("--runs", type=int, default=5, help="of part 2")
    parser.add_argument("--contexts", default="512,2048,8192", help="of part 3")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="CSV file for every turn and run")
    args = parser.parse_args(argv)
    args.parts = {int(part) for part in args.parts.split(",")}
    args.contexts = [int(tokens) for tokens in args.contexts.split(",")]
    if not args.trace:
        args.parts -= {1}
    return args


def common(a, b):
    """How many tokens two lists begin with together."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    low, high = 0, n  # a[:low] == b[:low], a[:high] != b[:high]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low


class Session:
    """A trace's requests as prompts of tokens, one after another, each made from the answers before it."""

    def __init__(self, trace, turns, max_context, vocab_size, seed=1):
        self.requests = [r for r in trace["requests"] if r["type"] in ("n", "s")][:turns]
        self.block = trace["block_size"]
        self.scale = max(1, max(r["in"] + r["out"] for r in self.requests) / (max_context - 2))
        self.vocab_size, self.seed = vocab_size, seed
        self.prompts, self.answers = [], []

    def _scaled(self, tokens):
        return max(1, int(tokens / self.scale))

    def num_answer(self):
        """Of the next turn."""
        return self._scaled(self.requests[len(self.prompts)]["out"])

    def _base(self, turn):
        """What the next prompt begins with."""
        request, ids = self.requests[turn], self.requests[turn]["hash_ids"]
        shared, source = max(((common(self.requests[i]["hash_ids"], ids), i) for i in range(turn)), default=(0, None))
        if shared == 0:
            return []
        earlier = self.requests[source]
        if shared < len(earlier["hash_ids"]) or request["in"] <= earlier["in"]:
            return self.prompts[source][:self._scaled(shared * self.block)]
        if request["in"] < earlier["in"] + earlier["out"]:
            return self.prompts[source]  # the answer was changed, or left out
        return self.prompts[source] + self.answers[source]

    def next_prompt(self):
        turn = len(self.prompts)
        base = self._base(turn) or [2]
        length = self._scaled(self.requests[turn]["in"])
        rng = random.Random(f"{self.seed} {turn}")
        return (base + servers.draw(rng, max(2, length - len(base) + 1), self.vocab_size)[1:])[:max(length, 2)]

    def ideal(self, prompt):
        """What a perfect cache would find."""
        reuse = max((common(prompt, earlier + answer) for earlier, answer in zip(self.prompts, self.answers)), default=0)
        return min(reuse, len(prompt) - 1)

    def answered(self, prompt, answer):
        self.prompts.append(prompt)
        self.answers.append(answer)


def replay(router, session):
    """One dictionary a turn."""
    turns = []
    while len(session.prompts) < len(session.requests):
        prompt, num_answer = session.next_prompt(), session.num_answer()
        token = random.Random(f"{session.seed} answer {len(turns)}").randrange(servers.FIRST_TOKEN, session.vocab_size)
        ideal = session.ideal(prompt)
        answer = router.complete(prompt, num_answer, logit_bias={str(token): BIAS}, session_id="replay")
        session.answered(prompt, [token] * num_answer)
        turns.append({"prompt": len(prompt), "answer": num_answer, "ideal": ideal, "cached": answer.cached_tokens,
                      "first": answer.first_token_seconds})
        say(f"turn {len(turns)}: {turns[-1]}")
    return turns


def share(turns):
    ideal = sum(turn["ideal"] for turn in turns)
    return sum(turn["cached"] for turn in turns) / ideal if ideal else 1.0


def time_hits(router, args, vocab_size):
    """One dictionary a run."""
    results = []
    for run in range(args.runs + 1):
        rng = random.Random(f"{args.seed} hit {run}")
        prompt = servers.draw(rng, args.long_prompt + rng.randrange(64), vocab_size)
        if run == 0:
            prompt = prompt[:64]  # touches the weights once
        cold = router.complete(prompt, 1)
        longer = prompt + servers.draw(rng, NEW_TOKENS + 1, vocab_size)[1:]
        hit = router.complete(longer, 1)
        if run == 0:
            continue
        results.append({"prompt": len(longer), "cached": hit.cached_tokens, "cold": cold.first_token_seconds, "hit": hit.first_token_seconds})
        say(f"run {run}: {results[-1]}")
    return results


class HeldBytes:
    """The most that running sequences hold, sampled: from the first to the last, and after `decoding()`."""

    def __init__(self, router):
        self._router, self._stop, self._decoding = router, threading.Event(), False
        self.most = self.decode = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def decoding(self):
        self._decoding = True

    def _run(self):
        while not self._stop.wait(0.01):
            decoding = self._decoding  # before the sample is taken
            held = self._router.metrics()["router_kv_held_bytes"]
            self.most = max(self.most, held)
            if decoding:
                self.decode = max(self.decode, held)

    def stop(self):
        self._stop.set()
        self._thread.join()


def bytes_a_token(model, element_bytes=2):
    """(of all sliding layers, of all global ones, window)."""
    if os.path.isdir(model):
        with open(os.path.join(model, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        layers, window = [kind == "full_attention" for kind in config["layer_types"]], config["sliding_window"]
        heads, dim = config["num_key_value_heads"], config["head_dim"]
        other = next(iter(config.get("per_layer_config", {}).values()), {})
        global_heads = other.get("num_key_value_heads", config.get("num_global_key_value_heads", heads))
        global_dim = other.get("head_dim", config.get("global_head_dim", dim))
    else:
        data = servers.gguf_metadata(model)
        layers, window = [not sliding for sliding in data["gemma4.attention.sliding_window_pattern"]], data["gemma4.attention.sliding_window"]
        all_heads = data["gemma4.attention.head_count_kv"]
        all_heads = all_heads if isinstance(all_heads, list) else [all_heads] * len(layers)
        heads, global_heads = (all_heads[layers.index(kind)] for kind in (False, True))
        dim, global_dim = data["gemma4.attention.key_length_swa"], data["gemma4.attention.key_length"]
    return layers.count(False) * heads * 2 * dim * element_bytes, layers.count(True) * global_heads * (global_dim + global_dim // 4) * element_bytes, window


def hold(router, args, vocab_size):
    """One dictionary a context."""
    sliding, per_token, window = bytes_a_token(args.model)
    results = []
    for context in args.contexts:
        if context + 64 > args.max_context:
            say(f"context {context} is left out: --max_context")
            continue
        rng = random.Random(f"{args.seed} held {context}")
        held = HeldBytes(router)
        router.complete(servers.draw(rng, context, vocab_size), 48, held.decoding)
        held.stop()
        tokens = context + 48
        results.append({"context": tokens, "need": min(tokens, window) * sliding + tokens * per_token, "decode": held.decode, "most": held.most})
        say(f"held: {results[-1]}")
    return results


def print_replay(turns, scale):
    print(f"replay of {len(turns)} turns, lengths divided by {scale:.2f}")
    print("turn  prompt  answer   ideal  cached  loss  first token s")
    for number, turn in enumerate(turns, 1):
        print(f"{number:4}  {turn['prompt']:6}  {turn['answer']:6}  {turn['ideal']:6}  {turn['cached']:6}  {turn['ideal'] - turn['cached']:4}  {turn['first']:8.3f}")
    print(f"ideal {sum(t['ideal'] for t in turns)} of {sum(t['prompt'] for t in turns)} tokens; found {sum(t['cached'] for t in turns)}: "
          f"{100 * share(turns):.2f} % of ideal (target 95 %)")


def print_hits(hits):
    cold, hit = median([h["cold"] for h in hits]), median([h["hit"] for h in hits])
    rest, work = median([h["prompt"] - h["cached"] for h in hits]), median([h["prompt"] / (h["prompt"] - h["cached"]) for h in hits])
    print(f"prompts of {min(h['prompt'] for h in hits)} to {max(h['prompt'] for h in hits)} tokens: first token after {cold:.3f} s cold, {hit:.4f} s on a hit ({rest:.0f} tokens computed): "
          f"{median([h['cold'] / h['hit'] for h in hits]):.1f} times (target 20; by tokens computed {work:.0f})")


def print_held(held):
    print("tokens  need MiB  decode MiB  ratio  most MiB")
    for row in held:
        print(f"{row['context']:6}  {row['need'] / 2**20:8.2f}  {row['decode'] / 2**20:10.2f}  {row['decode'] / row['need']:5.2f}  {row['most'] / 2**20:8.2f}")


def main(argv=None):
    args = arguments(argv)
    vocab_size = servers.vocabulary(args.model)
    flags = [f"--max_context={args.max_context}", f"--kv_bytes={args.kv_bytes}", f"--prefill_chunk={args.prefill_chunk}"]
    rows = []
    with servers.Router(args.model, args.threads, flags, args.workers) as router:
        print(f"{servers.machine()}; {args.threads} threads; {os.path.basename(args.model)}; --max_context={args.max_context} "
              f"--kv_bytes={args.kv_bytes} --prefill_chunk={args.prefill_chunk}")
        if 1 in args.parts:
            with open(args.trace, encoding="utf-8") as f:
                session = Session(json.load(f), args.turns, args.max_context, vocab_size, args.seed)
            turns = replay(router, session)
            print_replay(turns, session.scale)
            rows += [("replay", i, measure, value) for i, turn in enumerate(turns, 1) for measure, value in turn.items()]
        if 2 in args.parts:
            hits = time_hits(router, args, vocab_size)
            print_hits(hits)
            rows += [("hit", i, measure, value) for i, hit in enumerate(hits, 1) for measure, value in hit.items()]
        if 3 in args.parts:
            held = hold(router, args, vocab_size)
            print_held(held)
            rows += [("held", i, measure, value) for i, row in enumerate(held, 1) for measure, value in row.items()]
    if args.out:
        os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(["machine", "part", "number", "measure", "value"])
            writer.writerows([servers.machine(), part, number, measure, f"{value:.6g}"] for part, number, measure, value in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
