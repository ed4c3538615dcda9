"""Scores a demo model on held-out dialogues, through a router or through transformers.

  evaluate.py --router=HOST:PORT                    a router that is running
  evaluate.py --model=PATH [--quantise=q8_0]        starts a router and two expert workers on PATH first
  evaluate.py --transformers=bf16|q8_0|q4_0         checkpoint/ through transformers; the weights rounded to that form, all else in bf16
                                                    (needs .venv-oracles). --answers=FILE, of an earlier --json, only saves time: where
                                                    transformers would say the same, one forward pass shows it.

Every model turn is judged with the right history before it: where a turn went wrong, the next one sees what should have been said.
"""

import argparse
import concurrent.futures
import json
import signal
import sys
import time

import chat
import router_client
import scores
from cluster import Cluster
from corpus import dialogues

MAX_TOKENS = 400
def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--router", metavar="HOST:PORT")
    which.add_argument("--model", metavar="PATH")
    which.add_argument("--transformers", choices=("bf16", "q8_0", "q4_0"))
    parser.add_argument("--quantise", default="", help="as the router's flag")
    parser.add_argument("--dialogues", type=int, default=600)
    parser.add_argument("--parallel", type=int, default=8, help="requests at a time (default: %(default)s)")
    parser.add_argument("--answers", metavar="FILE", help="answers to try first")
    parser.add_argument("--json", metavar="FILE", help="write every turn with its judgement there")
    return parser.parse_args()


def turns(dialogue_list):
    """(dialogue, step, prompt) of every model turn."""
    for dialogue in dialogue_list:
        for index in range(len(dialogue.chain)):
            yield dialogue, index, chat.render(dialogues.messages_before(dialogue, index), dialogue.tools, dialogue.thinking)


def through_router(address, work, parallel):
    def ask(item):
        return router_client.generate(address, item[2], MAX_TOKENS)[0]
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(ask, work))


def print_expert_load(address):
    """The router's own count: what the least and the most loaded expert of each layer got of its rows."""
    shares = [[rows / sum(layer) for rows in layer] for layer in router_client.expert_load(address)]
    print("expert load by layer: " + ", ".join(f"{min(layer):.1%}-{max(layer):.1%}" for layer in shares))


def through_transformers(form, work, hints):
    import transformers_answers
    answerer = transformers_answers.Answerer(form, MAX_TOKENS)
    return [answerer.answer(prompt, hint) for (_, _, prompt), hint in zip(work, hints)]


def read_answers(path, work):
    """The answers of an earlier run to the same prompts; none where there is no such run."""
    if not path:
        return [None] * len(work)
    with open(path, encoding="utf-8") as file:
        by_prompt = {turn["prompt"]: turn["answer"] for turn in map(json.loads, file)}
    return [by_prompt.get(prompt) for _, _, prompt in work]


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is stopped
    held_out, dropped = scores.held_out(arguments.dialogues, scores.fingerprints(scores.training_seeds()))
    work = list(turns(held_out))
    print(f"{len(held_out)} dialogues, {len(work)} model turns; {dropped} drawn dialogues were left out because training asks the same", flush=True)
    begin = time.monotonic()
    if arguments.transformers:
        answers = through_transformers(arguments.transformers, work, read_answers(arguments.answers, work))
    elif arguments.router:
        answers = through_router(arguments.router, work, arguments.parallel)
        print_expert_load(arguments.router)
    else:
        with Cluster(arguments.model, arguments.quantise) as address:
            answers = through_router(address, work, arguments.parallel)
            print_expert_load(address)
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
