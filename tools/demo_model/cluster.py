"""A router and two expert workers of one's own, for as long as a `with` lasts."""

import os
import signal
import subprocess
import tempfile
import time

from router_client import BINARIES

NUM_WORKERS = 2
START_SECONDS = 120
STOP_SECONDS = 30


class Cluster:
    """with Cluster(model) as address: …

    With `http`, `http_address` is where the router speaks HTTP.
    """

    def __init__(self, model, quantise="", router_flags=(), http=False):
        self.model, self.quantise, self.router_flags, self.http = model, quantise, router_flags, http
        self.http_address = None
        self.processes = {}  # by name

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        flags = [f"--model={self.model}", "--threads=1", "--drain_timeout=5s", *([f"--quantise={self.quantise}"] if self.quantise else [])]
        try:
            for i in range(NUM_WORKERS):
                self._start("expert_worker/expert_worker", f"worker{i}", [*flags, f"--shard={i}/{NUM_WORKERS}"])
            workers = ",".join(self._address(f"worker{i}") for i in range(NUM_WORKERS))
            doors = ["--http_port=0", f"--http_port_file={self._path('router_http')}.port"] if self.http else ["--http_port=-1"]
            self._start("router/router", "router", [*flags, "--experts=remote", f"--workers={workers}", *doors, *self.router_flags])
            if self.http:
                self.http_address = self._address("router_http")
            return self._address("router")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.cleanup()

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def _start(self, binary, name, flags):
        with open(self._path(name + ".log"), "wb") as log:
            self.processes[name] = subprocess.Popen([os.path.join(BINARIES, binary), *flags, "--port=0", f"--port_file={self._path(name)}.port"],
                                                    stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _address(self, name):
        """Waits until the process says its port."""
        port = self._path(name + ".port")
        until = time.monotonic() + START_SECONDS
        while not (os.path.exists(port) and os.path.getsize(port)):
            ended = [other for other, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > until:
                guilty = ended[0] if ended else name.removesuffix("_http")
                with open(self._path(guilty + ".log"), encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"{guilty} did not start:\n{log.read()[-2000:]}")
            time.sleep(0.02)
        with open(port, encoding="utf-8") as file:
            return f"127.0.0.1:{file.read().strip()}"
