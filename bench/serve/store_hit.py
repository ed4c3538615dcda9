"""What a long context is worth in a kv_store: the time to the first token at a router that has to compute it, and at another that finds it there.

    bazel build //router //kv_store
    python3 bench/serve/store_hit.py --model=FILE [--tokens=32768]

The floor of the hit is its bytes at the speed of the link, and one step for the last tokens; that of the miss the multiply-adds of the prompt. A fresh
router each time, on one kv_store: the first computes the prompt and writes it behind, the second fetches it. Prints the
bytes that were fetched, how long that took by the router's own count, and what the rest is: decoding them into the cache, and the step.
"""

import argparse
import os
import random

import servers
from servers import say

NEW_TOKENS = 4


class Store(servers.Server):
    """One kv_store with all its objects in memory."""

    def __init__(self, memory_bytes):
        self.memory_bytes = memory_bytes

    def _start_all(self):
        self._run("kv_store", [os.path.join(servers.BINARIES, "kv_store", "kv_store"), f"--memory_bytes={self.memory_bytes}", "--port=0",
                               f"--port_file={self._path('store.port')}"])
        return self._port("kv_store", "store.port")


def ask(args, store, prompt):
    flags = [f"--kv_store={store.address}", f"--max_context={args.tokens + 64}", f"--kv_bytes={args.kv_bytes}", "--drain_timeout=60s"]
    with servers.Router(args.model, args.threads, flags) as router:
        answer = router.complete(prompt, NEW_TOKENS)
        return answer, router.metrics()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model directory or GGUF file")
    parser.add_argument("--tokens", type=int, default=32768, help="of the prompt")
    parser.add_argument("--kv_bytes", type=int, default=2 << 30, help="the router's flag")
    parser.add_argument("--store_bytes", type=int, default=2 << 30, help="memory of the store")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3, help="hits")
    args = parser.parse_args()
    rng = random.Random(1)
    prompt = [rng.randrange(servers.FIRST_TOKEN, servers.FIRST_TOKEN + 1000) for _ in range(args.tokens)]
    with Store(args.store_bytes) as store:
        miss, _ = ask(args, store, prompt)
        say(f"miss: {miss.cached_tokens} of {args.tokens} tokens found, first token after {miss.first_token_seconds:.2f} s")
        for _ in range(args.runs):
            hit, metrics = ask(args, store, prompt)
            fetched, seconds = metrics["router_kv_store_fetched_bytes_total"], metrics["router_kv_store_fetch_seconds_sum"]
            rate = fetched / seconds / 1e9 if seconds else 0
            say(f"hit: {hit.cached_tokens} tokens found, first token after {hit.first_token_seconds:.3f} s, {miss.first_token_seconds / hit.first_token_seconds:.0f} times "
                f"sooner; {fetched / 1e6:.0f} MB in {seconds:.3f} s, {rate:.2f} GB/s; the rest took {hit.first_token_seconds - seconds:.3f} s")


if __name__ == "__main__":
    main()
