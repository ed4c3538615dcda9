"""What the benches of serving share: servers of one's own for as long as a `with` lasts, and requests with the times of their answers.

Standard library only. The programs are those of bazel-bin, or of the folder COTERIE_BINARIES.
"""

import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.environ.get("COTERIE_BINARIES", os.path.join(ROOT, "bazel-bin"))
START_SECONDS = 600
STOP_SECONDS = 60
FIRST_TOKEN = 300  # of the 26B those before are control tokens and bytes; smaller vocabularies have them there too


class Server:
    """with Server(…) as server: server.address is HOST:PORT. Ends its processes, and only them."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.processes = {}
        begin = time.monotonic()
        try:
            self.address = self._start_all()
        except BaseException:
            self.__exit__()
            raise
        self.load_seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.cleanup()

    def resident_bytes(self):
        def of(pid):
            with open(f"/proc/{pid}/statm", encoding="utf-8") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return sum(of(process.pid) for process in self.processes.values())

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def _run(self, name, command):
        if not os.path.exists(command[0]):
            raise RuntimeError(f"{command[0]} is not there")
        with open(self._path(name + ".log"), "wb") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait(self, name, answer):
        """Until answer() is not None; the processes that were started must go on."""
        until = time.monotonic() + START_SECONDS
        while (result := answer()) is None:
            ended = [other for other, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > until:
                guilty = ended[0] if ended else name
                with open(self._path(guilty + ".log"), encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"{guilty} did not start:\n{log.read()[-2000:]}")
            time.sleep(0.05)
        return result

    def _port(self, name, file):
        def read():
            if not (os.path.exists(self._path(file)) and os.path.getsize(self._path(file))):
                return None
            with open(self._path(file), encoding="utf-8") as f:
                return "127.0.0.1:" + f.read().strip()
        return self._wait(name, read)


class Router(Server):
    """Ours: one process, or a router with expert workers beside it."""

    def __init__(self, model, threads, flags=(), workers=0, worker_threads=1):
        self.model, self.threads, self.flags, self.workers, self.worker_threads = model, threads, flags, workers, worker_threads

    def _start_all(self):
        experts = ["--experts=local"]
        for i in range(self.workers):
            self._run(f"worker{i}", [os.path.join(BINARIES, "expert_worker", "expert_worker"), f"--model={self.model}", f"--shard={i}/{self.workers}",
                                     f"--threads={self.worker_threads}", "--port=0", f"--port_file={self._path(f'worker{i}.port')}"])
        if self.workers:
            experts = ["--experts=remote", "--workers=" + ",".join(self._port(f"worker{i}", f"worker{i}.port") for i in range(self.workers))]
        self._run("router", [os.path.join(BINARIES, "router", "router"), f"--model={self.model}", f"--threads={self.threads}", *experts, "--port=0",
                             "--http_port=0", f"--http_port_file={self._path('http.port')}", "--drain_timeout=2s", *self.flags])
        return self._port("router", "http.port")

    def metrics(self):
        """{name: value}, summed over labels."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        values = {}
        for name, value in re.findall(r"^([A-Za-z_:]+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE):
            values[name] = values.get(name, 0) + float(value)
        return values

    def complete(self, prompt, max_tokens, on_token=None, **fields):
        body = {"model": "bench", "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True, "rails": False,
                "skip_special_tokens": False, "stream": True, "stream_options": {"include_usage": True}, **fields}
        answer = Answer()
        for event in _events(self.address, "/v1/completions", body):
            if "error" in event:
                raise RuntimeError(f"the router says {event['error']}")
            if event["choices"]:
                answer.times.append(time.monotonic())
                if on_token and len(answer.times) == 1:
                    on_token()
            if event.get("usage"):
                answer.tokens = event["usage"]["completion_tokens"]
                answer.cached_tokens = event["usage"]["prompt_tokens_details"]["cached_tokens"]
        return answer.end(max_tokens)


class LlamaServer(Server):
    """llama.cpp's own server: one slot for every session, its prompt caches off, for no prompt comes back."""

    def __init__(self, program, model, threads, slots, context):
        self.program, self.model, self.threads, self.slots, self.context = program, model, threads, slots, context

    def _start_all(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._run("llama-server", [self.program, "--model", self.model, "--threads", str(self.threads), "--threads-batch", str(self.threads),
                                   "--parallel", str(self.slots), "--ctx-size", str(self.slots * self.context), "--batch-size", "2048", "--ubatch-size", "512",
                                   "--cache-ram", "0", "--ctx-checkpoints", "0", "--fit", "off", "--host", "127.0.0.1", "--port", str(port)])
        address = f"127.0.0.1:{port}"

        def healthy():
            try:
                connection = http.client.HTTPConnection(address, timeout=5)
                connection.request("GET", "/health")
                return address if connection.getresponse().status == 200 else None
            except OSError:
                return None
        return self._wait("llama-server", healthy)

    def complete(self, prompt, max_tokens, on_token=None, **fields):
        # Greedy by the cheapest of its samplers: the ones of its default chain would each look at all logits.
        body = {"prompt": prompt, "n_predict": max_tokens, "samplers": ["top_k"], "top_k": 1, "ignore_eos": True, "stream": True, "cache_prompt": False, **fields}
        answer = Answer()
        for event in _events(self.address, "/completion", body):
            if "error" in event:
                raise RuntimeError(f"llama.cpp says {event['error']}")
            if not event.get("stop"):
                answer.times.append(time.monotonic())
                if on_token and len(answer.times) == 1:
                    on_token()
            else:
                answer.tokens = event["tokens_predicted"]
        return answer.end(max_tokens)


class Answer:
    """When the parts of one answer came. A part is a token; where bytes of one character are apart, the server joins them."""

    def __init__(self):
        self.started = time.monotonic()
        self.times, self.tokens, self.cached_tokens, self.ended = [], 0, 0, None

    def end(self, max_tokens):
        self.ended = time.monotonic()
        if self.tokens != max_tokens:
            raise RuntimeError(f"an answer has {self.tokens} tokens, expected {max_tokens}")
        self.times = self.times or [self.ended]  # all of it bytes that make no character
        return self

    @property
    def first_token_seconds(self):
        return self.times[0] - self.started

    def tokens_between(self, begin, end):
        """As if the tokens were spread evenly over the parts."""
        return self.tokens * sum(begin < time <= end for time in self.times) / len(self.times)


def _events(address, path, body):
    connection = http.client.HTTPConnection(address, timeout=3600)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    if reply.status != 200:
        raise RuntimeError(f"{path} is answered with {reply.status}: {reply.read()[:500]!r}")
    while line := reply.readline():
        if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
            yield json.loads(line[6:])
    connection.close()


def at_once(work):
    """Calls all of `work`, each in a thread of its own, begun together; the results, or the first error."""
    results, errors = [None] * len(work), []
    barrier = threading.Barrier(len(work))

    def run(i):
        try:
            barrier.wait()
            results[i] = work[i]()
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)
    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def vocabulary(model):
    """How many tokens prompts may be drawn from."""
    if os.path.isdir(model):
        with open(os.path.join(model, "config.json"), encoding="utf-8") as f:
            return json.load(f)["vocab_size"]
    return gguf_metadata(model)["tokenizer.ggml.tokens"]


def gguf_metadata(path):
    """{key: value}; of an array its numbers, or how many strings there are."""
    import struct  # pylint: disable=import-outside-toplevel
    scalars = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    with open(path, "rb") as f:
        def number(form):
            return struct.unpack(form, f.read(struct.calcsize(form)))[0]

        def value(kind):
            if kind == 8:
                return f.read(number("<Q")).decode(errors="replace")
            if kind == 9:
                inner, count = number("<I"), number("<Q")
                items = [value(inner) for _ in range(count)]
                return len(items) if inner == 8 else items
            return number(scalars[kind])
        if f.read(4) != b"GGUF":
            raise RuntimeError(f"{path} is not a GGUF file")
        f.read(4 + 8)  # version, number of tensors
        return {value(8): value(number("<I")) for _ in range(number("<Q"))}


def draw(rng, count, vocab_size):
    """A prompt: <bos> and drawn tokens."""
    first = FIRST_TOKEN if vocab_size > 2 * FIRST_TOKEN else 5
    return [2] + [rng.randrange(first, vocab_size) for _ in range(count - 1)]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def median(values):
    return statistics.median(values)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        info = dict(line.split(":", 1) for line in f.read().split("\n\n", maxsplit=1)[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in info.items()}
    return f"{fields.get('model name')} family {fields.get('cpu family')} model {fields.get('model')}, {os.cpu_count()} cores"


def say(text):
    """What happens, beside the result."""
    print(text, file=sys.stderr, flush=True)
