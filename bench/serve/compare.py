"""Speeds of one model beside llama.cpp's: one process, a router with two expert workers, and the peer, turn by turn.

    bazel build //bench/serve:engine_bench //expert_worker
    bench/serve/compare.py --model=FILE.gguf [--rounds=3] [--out=bench/results/NAME.csv]

One program runs at a time, with the same file, threads, prompt length and number of steps, all on drawn tokens; the order rotates
from round to round, so that a machine that slows down slows all of them. Every program loads anew each time. Prints the
median of the rounds' medians, the ratio to llama.cpp of the same rounds, and the resident memory of all processes together, sampled
each second (pages of the file that several processes map count for each). LLAMA_CPP_LIB as in llama_cpp/llama_cpp.py; without it
llama.cpp is left out.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ENGINE_BENCH = os.path.join(ROOT, "bazel-bin", "bench", "serve", "engine_bench")
EXPERT_WORKER = os.path.join(ROOT, "bazel-bin", "expert_worker", "expert_worker")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each program; of the router in the cluster")
    parser.add_argument("--worker_threads", type=int, default=2, help="of each of the two workers")
    parser.add_argument("--prefill_tokens", type=int, default=512)
    parser.add_argument("--decode_tokens", type=int, default=32)
    parser.add_argument("--batches", default="1,8,32", help="sequences that decode together; llama.cpp runs one")
    parser.add_argument("--only", default="llama_cpp,one_process,cluster", help="which of them")
    parser.add_argument("--out", help="CSV file for every single round")
    return parser.parse_args()


class Memory:
    """Samples the resident memory of processes while they run. Cheap on purpose: walking page tables would slow what is timed."""

    def __init__(self, pids):
        self.peak_bytes = 0
        self._pids, self._stop = pids, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _resident(pid):
        try:
            with open(f"/proc/{pid}/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    def _run(self):
        while not self._stop.wait(1):
            self.peak_bytes = max(self.peak_bytes, sum(self._resident(pid) for pid in self._pids))

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.peak_bytes


def run_json(command, other_pids=()):
    """Runs a bench to its end: the JSON of its last line, with the peak memory of it and of `other_pids`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory = Memory([process.pid, *other_pids])
    out, err = process.communicate()
    peak = memory.stop()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {err.strip()[-500:]}")
    return {**json.loads(out.strip().splitlines()[-1]), "peak_bytes": peak}


def from_engine_bench(result):
    decode = {entry["batch"]: entry["tokens_per_second"] for entry in result["decode"]}
    distinct = {entry["batch"]: entry["distinct_experts"] for entry in result["decode"]}
    return {"prefill": result["prefill_tokens_per_second"], "decode": decode, "distinct": distinct, "load": result["load_seconds"],
            "memory": result["peak_bytes"], "read": result["read_bytes_per_second"]}


def engine_bench(args, workers=(), pids=()):
    command = [ENGINE_BENCH, f"--model={args.model}", f"--threads={args.threads}", f"--prefill_tokens={args.prefill_tokens}",
               f"--decode_tokens={args.decode_tokens}", f"--batches={args.batches}", "--runs=3"]
    if workers:
        command.append("--workers=" + ",".join(workers))
    return from_engine_bench(run_json(command, pids))


def one_process(args):
    return engine_bench(args)


def cluster(args):
    """A router and two workers; the workers load first, and their loading counts."""
    workers, addresses = [], []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for i in range(2):
                port_file = os.path.join(scratch, f"{i}.port")
                workers.append(subprocess.Popen([EXPERT_WORKER, f"--model={args.model}", f"--shard={i}/2", "--port=0", f"--port_file={port_file}",
                                                 f"--threads={args.worker_threads}"], stderr=subprocess.DEVNULL))
            for i, worker in enumerate(workers):
                port_file = os.path.join(scratch, f"{i}.port")
                while not (os.path.exists(port_file) and os.path.getsize(port_file)):
                    if worker.poll() is not None or time.monotonic() - begin > 300:
                        raise RuntimeError(f"expert worker {i} did not start")
                    time.sleep(0.1)
                with open(port_file) as f:
                    addresses.append("127.0.0.1:" + f.read().strip())
            loaded = time.monotonic() - begin
            result = engine_bench(args, addresses, [worker.pid for worker in workers])
            result["load"] += loaded
            return result
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def llama_cpp(args):
    result = run_json([sys.executable, os.path.join(HERE, "llama_cpp", "bench.py"), f"--model={args.model}", f"--threads={args.threads}",
                       f"--prefill_tokens={args.prefill_tokens}", f"--decode_tokens={args.decode_tokens}", "--runs=3"])
    return {"prefill": result["prefill_tokens_per_second"], "decode": {1: result["decode_tokens_per_second"]}, "distinct": {},
            "load": result["load_seconds"], "memory": result["peak_bytes"], "read": None}


def machine():
    with open("/proc/cpuinfo") as f:
        info = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in info.items()}
    return f"{fields.get('model name')} family {fields.get('cpu family')} model {fields.get('model')}, {os.cpu_count()} cores, {platform.system()}"


def row(name, results, peer):
    """One line of the table: medians, and the ratios to the peer."""
    def median(get):
        return statistics.median(get(result) for result in results)
    cells = [f"{name:<12}", f"{median(lambda r: r['prefill']):8.1f}"]
    cells.append(f"{median(lambda r: r['prefill']) / statistics.median(r['prefill'] for r in peer):6.2f}" if peer else "     -")
    for batch in sorted(results[0]["decode"]):
        cells.append(f"{median(lambda r: r['decode'][batch]):7.2f} (x{batch})")
        if batch == 1:
            cells.append(f"{median(lambda r: r['decode'][1]) / statistics.median(r['decode'][1] for r in peer):6.2f}" if peer else "     -")
    cells.append(f"load {median(lambda r: r['load']):5.1f} s, {max(r['memory'] for r in results) / 2**30:5.2f} GiB")
    return "  ".join(cells)


def main():
    args = arguments()
    wanted = args.only.split(",")
    engines = {"llama_cpp": llama_cpp, "one_process": one_process, "cluster": cluster}
    names = [name for name in engines if name in wanted and (name != "llama_cpp" or os.environ.get("LLAMA_CPP_LIB"))]
    results = {name: [] for name in names}
    for turn in range(args.rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            results[name].append(engines[name](args))
            print(f"round {turn + 1} {name}: {json.dumps(results[name][-1])}", file=sys.stderr, flush=True)
    print(f"{machine()}; {args.threads} threads; {os.path.basename(args.model)}; prompt {args.prefill_tokens}, {args.decode_tokens} steps")
    print("              prefill  ratio  decode            ratio")
    for name in names:
        print(row(name, results[name], results.get("llama_cpp")))
    for name in names:
        for batch, distinct in sorted(results[name][-1]["distinct"].items()):
            print(f"{name}: {batch} rows touch {distinct['mean']:.1f} experts a layer ({distinct['least_layer']:.1f} to {distinct['most_layer']:.1f}); "
                  f"128 (1 - (15/16)^{batch}) = {128 * (1 - (15 / 16) ** batch):.1f}")
    if args.out:
        os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
        with open(args.out, "w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["machine", "round", "program", "threads", "measure", "value"])
            for name in names:
                for turn, result in enumerate(results[name]):
                    values = {"prefill_tokens_per_second": result["prefill"], "load_seconds": result["load"], "peak_bytes": result["memory"],
                              "read_bytes_per_second": result["read"]}
                    values.update({f"decode_tokens_per_second_batch_{b}": v for b, v in result["decode"].items()})
                    for measure, value in values.items():
                        if value is not None:
                            writer.writerow([machine(), turn + 1, name, args.threads, measure, f"{value:.6g}"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
