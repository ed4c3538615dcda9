"""Scores a demo model on held-out dialogues, through a router or through transformers.

  evaluate.py --router=HOST:PORT                    a router that is running
  evaluate.py --model=PATH [--quantise=q8_0]        starts a router and two expert workers on PATH first
  evaluate.py --transformers                        checkpoint/ through transformers, in bf16 (needs .venv-oracles)

Every model turn is judged with the right history before it: where a turn went wrong, the next one sees what should have been said.
"""

import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import chat
import router_client
import scores
from corpus import dialogues

ROOT = router_client.ROOT
NUM_WORKERS = 2
START_SECONDS = 120
TRAINING_PARTS, TRAINING_SEED, TRAINING_DIALOGUES = 16, 26, 80000  # no fewer than train.py draws


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--router", metavar="HOST:PORT")
    which.add_argument("--model", metavar="PATH")
    which.add_argument("--transformers", action="store_true")
    parser.add_argument("--quantise", default="", help="as the router's flag")
    parser.add_argument("--dialogues", type=int, default=600)
    parser.add_argument("--parallel", type=int, default=8, help="requests at a time (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write every turn with its judgement there")
    return parser.parse_args()


class Cluster:
    """A router and two expert workers of their own."""

    def __init__(self, model, quantise):
        self.folder = tempfile.TemporaryDirectory()
        self.processes = []
        flags = [f"--model={model}", "--threads=1", "--drain_timeout=5s", *([f"--quantise={quantise}"] if quantise else [])]
        for i in range(NUM_WORKERS):
            self._start("expert_worker/expert_worker", f"worker{i}", [*flags, f"--shard={i}/{NUM_WORKERS}"])
        workers = ",".join(self._address(f"worker{i}") for i in range(NUM_WORKERS))
        self._start("router/router", "router", [*flags, f"--workers={workers}"])
        self.address = self._address("router")

    def _start(self, binary, name, flags):
        log = open(os.path.join(self.folder.name, name + ".log"), "w", encoding="utf-8")
        port_file = os.path.join(self.folder.name, name + ".port")
        self.processes.append(subprocess.Popen([os.path.join(ROOT, "bazel-bin", binary), *flags, "--port=0", f"--port_file={port_file}"],
                                               stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def _address(self, name):
        path = os.path.join(self.folder.name, name + ".port")
        until = time.monotonic() + START_SECONDS
        while not (os.path.exists(path) and os.path.getsize(path)):
            ended = [p for p in self.processes if p.poll() is not None]
            if ended or time.monotonic() > until:
                with open(os.path.join(self.folder.name, name + ".log"), encoding="utf-8") as file:
                    sys.exit(f"evaluate: {name} did not start:\n{file.read()[-2000:]}")
            time.sleep(0.05)
        with open(path, encoding="utf-8") as file:
            return f"127.0.0.1:{file.read().strip()}"

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)


def turns(dialogue_list):
    """(dialogue, step, prompt) of every model turn."""
    for dialogue in dialogue_list:
        for index in range(len(dialogue.chain)):
            yield dialogue, index, chat.render(dialogues.messages_before(dialogue, index), dialogue.tools, dialogue.thinking)


def through_router(address, work, parallel):
    def ask(item):
        return router_client.generate(address, item[2])[0]
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(ask, work))


def through_transformers(work):
    import torch
    import export
    import tokenizer
    model, tok = export.load(), tokenizer.load(os.path.join(export.CHECKPOINT, "tokenizer.json"))
    answers = []
    for _, _, prompt in work:
        ids = torch.tensor([tok.encode(prompt, add_special_tokens=False).ids])
        with torch.no_grad():
            out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=400, do_sample=False)
        answers.append(tok.decode(out[0, ids.shape[1]:].tolist(), skip_special_tokens=False))
    return answers


def training_seeds():
    return (f"{TRAINING_SEED} {part} {i}" for part in range(TRAINING_PARTS) for i in range(TRAINING_DIALOGUES // TRAINING_PARTS))


def main():
    arguments = parse_arguments()
    held_out, dropped = scores.held_out(arguments.dialogues, scores.fingerprints(training_seeds()))
    work = list(turns(held_out))
    print(f"{len(held_out)} dialogues, {len(work)} model turns; {dropped} drawn dialogues were left out because training asks the same", flush=True)
    begin = time.monotonic()
    if arguments.transformers:
        answers = through_transformers(work)
    elif arguments.router:
        answers = through_router(arguments.router, work, arguments.parallel)
    else:
        cluster = Cluster(arguments.model, arguments.quantise)
        try:
            answers = through_router(cluster.address, work, arguments.parallel)
        finally:
            cluster.stop()
    judgements = [scores.judge(dialogue, index, answer) for (dialogue, index, _), answer in zip(work, answers)]
    print(scores.table(judgements))
    print(f"{time.monotonic() - begin:.0f} s")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            for (dialogue, index, prompt), answer, judgement in zip(work, answers, judgements):
                json.dump({"prompt": prompt, "answer": answer, "expected": dialogue.chain[index].__dict__, **judgement.__dict__}, file)
                file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
