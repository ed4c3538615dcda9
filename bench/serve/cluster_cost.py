"""What a cluster costs beside one process: a router and two expert workers on the same cores, turn by turn with one process.

    bazel build //bench/serve:engine_bench //bench/serve:slow_link //expert_worker
    python3 bench/serve/cluster_cost.py --model=FILE [--batch=8] [--rounds=3] [--links=tcp,unix,slow] [--out=bench/results/NAME.csv]

The best possible, for one decoded token. Bytes: in each layer its row once to every worker that holds one of its experts, and one row back for each of its
experts: 30 layers of 2 x 3,168 and 8 x 5,632 bytes for the 26B in q4_0, and no more. Time: on the same cores no better than one process, for the work is
the same; beside it the rows are encoded, sent, checked and decoded. Over a network each layer waits for a round trip and for its bytes: it
adds layers x (2 x delay + bytes / rate), less what the dense branch hides.

Method: engine_bench decodes --batch sequences of drawn tokens, the same in all programs; the order rotates from round to round; medians of rounds. `tcp` and
`unix` run on this machine. Where this is root, a program has a network namespace of its own, so that the bytes on the wire are counted and no other's; else
the loopback device's are, which others may use. `slow` puts router and workers into two namespaces with --delay and --rate between them, both ways: by
netem, or where the kernel has none by slow_link, which does the same to a TUN device. It needs root and ip (iproute2), and is left out where they are not.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from servers import BINARIES, machine, say

START_SECONDS = 600
ENDS = {"near": "10.77.0.1", "far": "10.77.0.2"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--links", default="tcp,unix,slow")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of one process, of the router and of each worker")
    parser.add_argument("--decode_tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3, help="decodes of each program in a round; their median counts")
    parser.add_argument("--delay_ms", type=float, default=1, help="of the slow network, one way")
    parser.add_argument("--rate_mbit", type=float, default=1000, help="of the slow network, each way")
    parser.add_argument("--out", help="CSV file for every single round")
    return parser.parse_args()


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def may_make_namespaces():
    return os.geteuid() == 0 and shutil.which("ip") and not subprocess.run(["ip", "netns", "list"], capture_output=True, check=False).returncode


@contextlib.contextmanager
def namespaces(count):
    names = [f"cluster_cost_{os.getpid()}_{i}" for i in range(count)]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def inside(namespace, command):
    return ["ip", "netns", "exec", namespace, *command] if namespace else command


def has_netem(namespace):
    """Of a device that is there anyway."""
    added = subprocess.run(inside(namespace, ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]), check=False, capture_output=True)
    if added.returncode == 0:
        subprocess.run(inside(namespace, ["tc", "qdisc", "del", "dev", "lo", "root"]), check=True)
    return added.returncode == 0


@contextlib.contextmanager
def slow_network(args, near, far):
    """Between the two namespaces; gives what makes it."""
    if shutil.which("tc") and has_netem(near):
        ip("link", "add", "slow0", "netns", near, "type", "veth", "peer", "name", "slow0", "netns", far)
        link, how = None, "netem"
    else:
        link = subprocess.Popen([os.path.join(BINARIES, "bench", "serve", "slow_link"), f"--near={near}", f"--far={far}", f"--delay={args.delay_ms}ms",
                                 f"--bits_per_second={args.rate_mbit * 1e6}"], stdout=subprocess.PIPE, text=True)
        if link.stdout.readline().strip() != "ready":
            raise RuntimeError("slow_link did not start: see above")
        how = "slow_link (the kernel has no netem)"
    try:
        for namespace, here, there in ((near, ENDS["near"], ENDS["far"]), (far, ENDS["far"], ENDS["near"])):
            ip("-n", namespace, "addr", "add", here, "peer", there, "dev", "slow0")
            ip("-n", namespace, "link", "set", "slow0", "up")
            if link is None:
                subprocess.run(inside(namespace, ["tc", "qdisc", "add", "dev", "slow0", "root", "netem", "limit", "10000", "delay", f"{args.delay_ms}ms",
                                                  "rate", f"{args.rate_mbit}mbit"]), check=True)
        yield how
    finally:
        if link is not None:
            link.terminate()
            link.wait()


def engine_bench(args, namespace, workers=()):
    command = [os.path.join(BINARIES, "bench", "serve", "engine_bench"), f"--model={args.model}", f"--threads={args.threads}", "--prefill_tokens=64",
               f"--decode_tokens={args.decode_tokens}", f"--batches={args.batch}", f"--runs={args.runs}"]
    if workers:
        command.append("--workers=" + ",".join(workers))
    process = subprocess.run(inside(namespace, command), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise RuntimeError(f"engine_bench ended with {process.returncode}: {process.stderr.strip()[-500:]}")
    return json.loads(process.stdout.strip().splitlines()[-1])["decode"][0]


@contextlib.contextmanager
def two_workers(args, namespace, host, unix):
    """Their addresses, once both have loaded."""
    with tempfile.TemporaryDirectory() as scratch:
        workers = []
        try:
            for i in range(2):
                listen = f"unix:{scratch}/{i}.socket" if unix else host
                workers.append(subprocess.Popen(inside(namespace, [
                    os.path.join(BINARIES, "expert_worker", "expert_worker"), f"--model={args.model}", f"--shard={i}/2", f"--threads={args.threads}",
                    f"--listen_address={listen}", "--port=0", f"--port_file={scratch}/{i}.port"]), stderr=subprocess.DEVNULL))
            until = time.monotonic() + START_SECONDS
            addresses = []
            for i, worker in enumerate(workers):
                sign = f"{scratch}/{i}.socket" if unix else f"{scratch}/{i}.port"
                while not os.path.exists(sign) or not (unix or os.path.getsize(sign)):
                    if worker.poll() is not None or time.monotonic() > until:
                        raise RuntimeError(f"expert worker {i} did not start")
                    time.sleep(0.1)
                if unix:
                    addresses.append("unix:" + sign)
                else:
                    with open(sign, encoding="utf-8") as f:
                        addresses.append(f"{host}:{f.read().strip()}")
            yield addresses
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def one_process(args):
    return engine_bench(args, None)


def on_one_machine(args, unix):
    with namespaces(1 if may_make_namespaces() else 0) as names:
        namespace = names[0] if names else None
        with two_workers(args, namespace, "127.0.0.1", unix) as addresses:
            return engine_bench(args, namespace, addresses)


def over_slow_network(args):
    with namespaces(2) as (near, far), slow_network(args, near, far) as how:
        with two_workers(args, far, ENDS["far"], unix=False) as addresses:
            return {**engine_bench(args, near, addresses), "how": how}


def why_no_slow_network():
    if not may_make_namespaces():
        return "it needs root and ip (iproute2)"
    if not os.path.exists("/dev/net/tun") and not shutil.which("tc"):
        return "there is neither tc (iproute2) nor /dev/net/tun"
    return None


def step_seconds(args, result):
    return args.batch / result["tokens_per_second"]


def explain_slow(args, results):
    """The model beside what was measured. Rows leave first and the dense branch is computed while they travel."""
    def median(program, key):
        return statistics.median(r[key] for r in results[program])
    layers = results["one_process"][0]["layers"]
    per_byte = 8 / (args.rate_mbit * 1e6)
    out, back = (median("slow", f"row_bytes_{way}_a_step") * per_byte for way in ("out", "back"))
    travel = layers * 2 * args.delay_ms * 1e-3
    hidden = min(median("one_process", "dense_seconds_a_step"), out + travel)
    expected = statistics.median(step_seconds(args, r) for r in results["tcp"]) + travel + out + back - hidden
    measured = statistics.median(step_seconds(args, r) for r in results["slow"])
    print(f"slow network, {results['slow'][0]['how']}: {args.delay_ms} ms each way, {args.rate_mbit:.0f} Mbit/s. Expected a step: tcp here "
          f"{(expected - travel - out - back + hidden) * 1e3:.1f} + {layers} round trips {travel * 1e3:.1f} + rows out {out * 1e3:.1f} + back {back * 1e3:.1f} - hidden "
          f"by the dense branch {hidden * 1e3:.1f} = {expected * 1e3:.1f} ms; measured {measured * 1e3:.1f} ms ({measured / expected:.2f} times)")


def report(args, results, programs):
    print(f"{machine()}; {args.threads} threads each; {os.path.basename(args.model.rstrip('/'))}; {args.batch} sequences, {args.decode_tokens} steps; medians of {args.rounds} rounds")
    base = statistics.median(r["tokens_per_second"] for r in results["one_process"])
    for program in programs:
        def median(key, of=program):
            return statistics.median(r[key] for r in results[of])
        speed = median("tokens_per_second")
        ratios = ", ".join(f"{a['tokens_per_second'] / b['tokens_per_second']:.2f}" for a, b in zip(results[program], results["one_process"]))
        line = f"{program:<12} {speed:7.2f} tokens/s"
        if program != "one_process":
            minimum = median("row_bytes_out_a_step") + median("row_bytes_back_a_step")
            line += f"  {speed / base:.3f} of one process (by round {ratios}); rows {minimum / args.batch:,.0f} bytes a token"
            if median("wire_bytes_a_step") > minimum / 2:
                line += f", on the wire {median('wire_bytes_a_step') / minimum:.3f} times that"
            hidden = 1 - median("wait_seconds_a_step") / median("exchange_seconds_a_step")
            line += f"; exchange {median('exchange_seconds_a_step') * 1e3:.1f} ms a step, {max(0, hidden) * 100:.0f} % of it hidden; "
            line += f"link {median('link_seconds_an_answer') * 1e6:.0f} us an answer"
        print(line)
    if "slow" in results and "tcp" in results:
        explain_slow(args, results)


def main():
    args = arguments()
    ways = {"one_process": one_process, "tcp": lambda a: on_one_machine(a, unix=False), "unix": lambda a: on_one_machine(a, unix=True), "slow": over_slow_network}
    links = args.links.split(",")
    if unknown := set(links) - set(ways):
        sys.exit(f"cluster_cost: --links has {', '.join(sorted(unknown))}; there are tcp, unix, slow")
    if "slow" in links and (why := why_no_slow_network()):
        say(f"the slow network is left out: {why}")
        links.remove("slow")
    programs = ["one_process", *links]
    results = {program: [] for program in programs}
    for turn in range(args.rounds):
        first = turn % len(programs)
        for program in programs[first:] + programs[:first]:
            results[program].append(ways[program](args))
            say(f"round {turn + 1} {program}: {json.dumps(results[program][-1])}")
    report(args, results, programs)
    if args.out:
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(["machine", "round", "program", "threads", "measure", "value"])
            for program in programs:
                for turn, result in enumerate(results[program]):
                    for measure, value in result.items():
                        if isinstance(value, (int, float)):
                            writer.writerow([machine(), turn + 1, program, args.threads, measure, f"{value:.6g}"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
