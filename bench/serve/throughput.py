"""Tokens a second of many sessions at once, ours beside llama.cpp's server, both asked by HTTP in the same way.

    bazel build //router //expert_worker //bench/serve:engine_bench
    python3 bench/serve/throughput.py --model=FILE.gguf --llama_server=PROGRAM [--levels=1,2,4,8,16,32] [--out=bench/results/NAME.csv]

A round: K sessions start at once, each with a prompt of its own of drawn tokens, sent as ids, and an answer of a fixed length, greedy, streamed. One
server runs at a time (the file in two forms does not fit into memory twice), all levels and rounds of it; --cycles starts them anew, in the other
order, so that a machine that slows down slows both. Medians of all rounds of all cycles.

  decode   tokens a second while all K sessions decode: from the last first token to the first end
  whole    all tokens over the time from the start to the last end, prompts included
  first, gap   time to the first token, and between two tokens, of all sessions: median and 99th percentile

The best possible. A step reads the trunk and every expert that a row of it chose, once, whatever the number of rows: bytes over the read bandwidth
of this machine, both measured by engine_bench just before; the experts touched are counted by the router while it decodes. So K sessions can be
faster than K times one by as much as they share: K (T + E(1)) / (T + E(K)). Keys and values of such short contexts are left out of the floor.

The client is Python on the same cores: it bounds models of some megabytes (thousands of tokens a second), and is nothing beside the 26B's steps.

Fair to llama.cpp: a slot for each session (continuous batching), its batches of 2,048 and 512, its caches of prompts off and ours on, its cheapest
sampler; llama-server is built for this very processor (see llama_cpp/README.md). `--servers` has one_process, cluster, llama_cpp.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys

import servers
from servers import median, percentile, say

WARM_UP_TOKENS = 4


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file; a directory, too, where llama.cpp is left out")
    parser.add_argument("--servers", default="one_process,llama_cpp", help="of one_process, cluster, llama_cpp")
    parser.add_argument("--llama_server", default=os.environ.get("LLAMA_SERVER"), help="llama.cpp's llama-server; default $LLAMA_SERVER")
    parser.add_argument("--levels", default="1,2,4,8,16,32", help="sessions at once")
    parser.add_argument("--rounds", type=int, default=3, help="of each level, each time a server runs")
    parser.add_argument("--cycles", type=int, default=1, help="how often every server runs")
    parser.add_argument("--prompt_tokens", type=int, default=128)
    parser.add_argument("--answer_tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each server; of the router in the cluster")
    parser.add_argument("--worker_threads", type=int, default=1, help="of each of the cluster's two workers")
    parser.add_argument("--kv_bytes", type=int, default=3 << 30, help="the router's flag")
    parser.add_argument("--prefill_chunk", type=int, default=512, help="the router's flag")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="CSV file for every single round")
    args = parser.parse_args(argv)
    args.levels = [int(level) for level in args.levels.split(",")]
    args.servers = args.servers.split(",")
    if unknown := set(args.servers) - {"one_process", "cluster", "llama_cpp"}:
        parser.error(f"--servers has {sorted(unknown)}")
    if "llama_cpp" in args.servers and not args.llama_server:
        parser.error("--llama_server or LLAMA_SERVER must name llama.cpp's server, or --servers leave it out")
    return args


def server(args, name):
    most, context = max(args.levels), args.prompt_tokens + args.answer_tokens + 16
    if name == "llama_cpp":
        return servers.LlamaServer(args.llama_server, args.model, args.threads, most, context)
    flags = [f"--max_sequences={most}", f"--max_context={max(context, 1024)}", f"--kv_bytes={args.kv_bytes}", f"--prefill_chunk={args.prefill_chunk}"]
    return servers.Router(args.model, args.threads, flags, 2 if name == "cluster" else 0, args.worker_threads)


class StepCounts:
    """Snapshots of the router's counters at the borders of the time in which all sessions decode."""

    def __init__(self, metrics):
        self.metrics, self.snapshots = metrics, []

    def take(self):
        if self.metrics:
            self.snapshots.append(self.metrics())

    def distinct_experts(self):
        """Touched in all layers of one step; None where nobody counts."""
        if len(self.snapshots) != 2:
            return None
        before, after = self.snapshots
        steps = after["router_decode_step_seconds_count"] - before["router_decode_step_seconds_count"]
        return (after["router_layer_distinct_experts_total"] - before["router_layer_distinct_experts_total"]) / steps if steps else None


def run_round(running, prompts, answer_tokens):
    """One round: what it measured."""
    counts = StepCounts(getattr(running, "metrics", None))
    waiting = [None] * len(prompts)  # one is taken off by each first token; pop is atomic
    ended = []

    def first_token():
        waiting.pop()
        if not waiting:
            counts.take()

    def session(prompt):
        answer = running.complete(prompt, answer_tokens, first_token)
        ended.append(None)
        if len(ended) == 1 and not waiting:
            counts.take()
        return answer
    answers = servers.at_once([lambda prompt=prompt: session(prompt) for prompt in prompts])
    begin, end = max(a.times[0] for a in answers), min(a.times[-1] for a in answers)
    whole = max(a.ended for a in answers) - min(a.started for a in answers)
    decode = sum(a.tokens_between(begin, end) for a in answers) / (end - begin) if end > begin else None
    return {"decode": decode, "whole": len(answers) * answer_tokens / whole, "distinct": counts.distinct_experts(),
            "first": [a.first_token_seconds for a in answers],
            "gaps": [later - sooner for a in answers for sooner, later in zip(a.times, a.times[1:])]}


def run_server(args, name, cycle, vocab_size):
    """{level: [round]}."""
    results = {}
    with server(args, name) as running:
        say(f"cycle {cycle + 1} {name}: started in {running.load_seconds:.1f} s")
        rng = random.Random(f"{args.seed} warm-up {cycle}")
        run_round(running, [servers.draw(rng, args.prompt_tokens, vocab_size) for _ in range(min(2, max(args.levels)))], WARM_UP_TOKENS)
        for level in args.levels:
            results[level] = []
            for turn in range(args.rounds):
                # The same prompts for all servers.
                rng = random.Random(f"{args.seed} {cycle} {level} {turn}")
                prompts = [servers.draw(rng, args.prompt_tokens, vocab_size) for _ in range(level)]
                results[level].append(run_round(running, prompts, args.answer_tokens))
                result = results[level][-1]
                say(f"cycle {cycle + 1} {name} x{level} round {turn + 1}: decode {result['decode'] or float('nan'):.2f} t/s, whole {result['whole']:.2f} t/s")
        say(f"cycle {cycle + 1} {name}: {running.resident_bytes() / 2**30:.2f} GiB resident")
    return results


def floor(args):
    """What engine_bench says of bytes and bandwidth."""
    command = [os.path.join(servers.BINARIES, "bench", "serve", "engine_bench"), f"--model={args.model}", f"--threads={args.threads}",
               "--prefill_tokens=16", "--decode_tokens=8", "--batches=1", "--runs=1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"engine_bench ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def pooled(rounds, field):
    return [value for result in rounds for value in result[field]]


def speeds(rounds, field):
    return [result[field] for result in rounds if result[field] is not None]


def print_table(args, results, limits):
    print(f"{servers.machine()}; {args.threads} threads; {os.path.basename(args.model)}; prompts of {args.prompt_tokens} tokens, answers of "
          f"{args.answer_tokens}; {args.rounds * args.cycles} rounds")
    print("sessions  server        decode t/s  ratio  whole t/s  ratio  first p50   p99 s  gap p50   p99 ms")
    for level in args.levels:
        peer = results.get("llama_cpp", {}).get(level)
        for name in args.servers:
            rounds = results[name][level]
            cells = [f"{level:8}  {name:<12}"]
            for field in ("decode", "whole"):
                own = speeds(rounds, field)
                cells.append(f"{median(own):10.2f}" if own else "         -")
                theirs = speeds(peer, field) if peer else []
                cells.append(f"{median(own) / median(theirs):5.2f}" if own and theirs else "    -")
            first, gaps = pooled(rounds, "first"), pooled(rounds, "gaps")
            cells.append(f"{median(first):9.3f} {percentile(first, 0.99):7.3f}")
            cells.append(f"{1e3 * median(gaps):7.1f} {1e3 * percentile(gaps, 0.99):8.1f}" if gaps else "-")
            print("  ".join(cells))
    print(f"\nfloor: trunk {limits['trunk_bytes'] / 1e9:.3f} GB a step, {limits['expert_bytes'] / 1e6:.3f} MB an expert, "
          f"read bandwidth {limits['read_bytes_per_second'] / 1e9:.1f} GB/s")
    print("sessions  server        experts a step  GB a step  best t/s  of it  growth: best  measured")
    for name in args.servers:
        if name == "llama_cpp":
            continue
        first = None
        for level in args.levels:
            distinct, decode = speeds(results[name][level], "distinct"), speeds(results[name][level], "decode")
            if not distinct or not decode:
                continue
            step_bytes = limits["trunk_bytes"] + median(distinct) * limits["expert_bytes"]
            best = level * limits["read_bytes_per_second"] / step_bytes
            first = first or (best, median(decode))
            print(f"{level:8}  {name:<12}  {median(distinct):14.1f}  {step_bytes / 1e9:9.3f}  {best:8.2f}  {median(decode) / best:5.2f}  "
                  f"{best / first[0]:12.2f}  {median(decode) / first[1]:8.2f}")


def write_csv(args, results, limits):
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    with open(args.out, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(["machine", "server", "sessions", "round", "measure", "value"])
        for measure in ("trunk_bytes", "expert_bytes", "read_bytes_per_second"):
            writer.writerow([servers.machine(), "engine_bench", "", "", measure, f"{limits[measure]:.6g}"])
        for name, levels in results.items():
            for level, rounds in levels.items():
                for turn, result in enumerate(rounds):
                    values = {"decode_tokens_per_second": result["decode"], "whole_tokens_per_second": result["whole"],
                              "distinct_experts_a_step": result["distinct"],
                              "first_token_seconds_p50": median(result["first"]), "first_token_seconds_p99": percentile(result["first"], 0.99)}
                    if result["gaps"]:
                        values |= {"gap_seconds_p50": median(result["gaps"]), "gap_seconds_p99": percentile(result["gaps"], 0.99)}
                    for measure, value in values.items():
                        if value is not None:
                            writer.writerow([servers.machine(), name, level, turn + 1, measure, f"{value:.6g}"])


def main(argv=None):
    args = arguments(argv)
    vocab_size = servers.vocabulary(args.model)
    limits = floor(args)
    results = {name: {level: [] for level in args.levels} for name in args.servers}
    for cycle in range(args.cycles):
        for name in args.servers if cycle % 2 == 0 else reversed(args.servers):
            for level, rounds in run_server(args, name, cycle, vocab_size).items():
                results[name][level] += rounds
    print_table(args, results, limits)
    if args.out:
        write_csv(args, results, limits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
