"""A router's HTTP door as a test meets it: bytes of any kind, chats, streams, metrics, and what the process itself holds."""

import http.client
import json
import os
import re
import socket
import time

TIMEOUT_SECONDS = 60
CAPITAL = "What is the capital of Norway?"
CAPITAL_ANSWER = "The capital of Norway is Oslo."
STORY = "Tell me a short story about Anna and a red chair."


def user(text, system=None):
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": text}]


def chat(text=CAPITAL, **fields):
    """The body of a greedy request."""
    return {"model": "gemma-4-26b-a4b", "temperature": 0, "messages": user(text), **fields}


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.json()["choices"][0]["message"]["content"]

    def error(self):
        return self.json()["error"]

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Stream:
    """An answer as server-sent events. Closing it before its end is what a client does that has gone."""

    def __init__(self, address, body, headers=(), path="/v1/chat/completions"):
        self.connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
        self.connection.request("POST", path, json.dumps({**body, "stream": True}), {"Content-Type": "application/json", **dict(headers)})
        self.response = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.response:
            self.response.close()
        self.connection.close()

    def chunks(self):
        """The objects of the events, as they come."""
        self.response = self.response or self.connection.getresponse()
        if self.response.status != 200:
            raise RuntimeError(f"{self.response.status} {self.response.read()[:600]!r}")
        for line in self.response:
            if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                yield json.loads(line[6:])

    def deltas(self):
        """Pieces of the answer's text."""
        for chunk in self.chunks():
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text

    def text(self):
        return "".join(self.deltas())


def send(address, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def post(address, body, path="/v1/chat/completions", headers=()):
    """`body` is bytes, or becomes JSON."""
    return send(address, "POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content-Type": "application/json", **dict(headers)})


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS)


def raw(address, request):
    """What comes back for these bytes until the router closes the connection, which it must: as a list of replies."""
    with connect(address) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had answered before the end, and has closed
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return replies_in(got)


def replies_in(got):
    replies = []
    while got:
        head, _, got = got.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", len(got)))
        replies.append(Reply(int(lines[0].split()[1]), headers, got[:length]))
        got = got[length:]
    return replies


def metrics(address):
    """Name, with its labels if it has any, to value."""
    page = send(address, "GET", "/metrics").body.decode()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in page.splitlines() if line and line[0] != "#")}


def in_hand(address):
    """Answers that run, answers that wait, bytes of the KV cache that either holds."""
    now = metrics(address)
    return tuple(now["router_" + name] for name in ("running_requests", "queued_requests", "kv_held_bytes"))


class Held:
    """What a process holds: threads, open files, bytes of memory."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = file.read()
        self.threads = int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)[1])
        self.rss_bytes = int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024
        self.files = len(os.listdir(f"/proc/{pid}/fd"))

    def __repr__(self):
        return f"{self.threads} threads, {self.files} files, {self.rss_bytes >> 20} MiB"


def eventually(condition, seconds, what):
    """Waits until `condition()`, and says how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"after {seconds} s still not: {what() if callable(what) else what}")
        time.sleep(0.02)
    return time.monotonic() - began
