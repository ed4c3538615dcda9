"""What strangers may send to the HTTP door of a router. Every shape of it is refused at once, with an error that says what is wrong as OpenAI's
clients read it; and when all of it has been sent the router answers as before and holds no more than before."""

import json
import time
import unittest

from cluster import Cluster
from http_router import CAPITAL_ANSWER, Held, chat, connect, eventually, in_hand, post, raw, replies_in, send, user

MODEL = "tools/demo_model/checkpoint"
# Refusing takes milliseconds; the rest is for a busy machine.
REFUSED_WITHIN_SECONDS = 5
BODY_BYTES_MAX = 32 << 20
CHAT = "/v1/chat/completions"


def schema(schema):
    return chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})


def tool(name="f", **fields):
    return {"type": "function", "function": {"name": name, **fields}}


def request(*headers, line=f"POST {CHAT} HTTP/1.1", body=b""):
    return "\r\n".join([line, "Host: x", "Content-Type: application/json", *headers, "", ""]).encode("latin-1") + body


def nested(levels):
    return b'{"messages":' * levels + b"1" + b"}" * levels


# What is at fault, and the `param` that must say so.
FIELDS = (
    ("messages", {"messages": []}),
    ("messages", {"messages": None}),
    ("messages", {"messages": "hello"}),
    ("messages", {"messages": {"role": "user"}}),
    ("messages[0]", {"messages": [5]}),
    ("messages[0].role", {"messages": [{"content": "x"}]}),
    ("messages[0].role", {"messages": [{"role": "<|turn>", "content": "x"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
    ("messages[0].content[0].type", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}),
    ("messages[0].tool_calls[0].function.arguments",
     {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}]}]}),
    ("messages", {"messages": user("x") * 100_001}),
    ("temperature", {"temperature": -1}),
    ("temperature", {"temperature": 11}),
    ("temperature", {"temperature": "0"}),
    ("top_p", {"top_p": 0}),
    ("top_p", {"top_p": 1.5}),
    ("top_p", {"top_p": []}),
    ("top_k", {"top_k": -2}),
    ("top_k", {"top_k": 0.5}),
    ("min_p", {"min_p": -0.1}),
    ("seed", {"seed": "x"}),
    ("seed", {"seed": 1.5}),
    ("presence_penalty", {"presence_penalty": 3}),
    ("frequency_penalty", {"frequency_penalty": -3}),
    ("repetition_penalty", {"repetition_penalty": 0}),
    ("logit_bias", {"logit_bias": [1]}),
    ("logit_bias", {"logit_bias": {"x": 1}}),
    ("logit_bias", {"logit_bias": {"-1": 1}}),
    ("logit_bias", {"logit_bias": {"5": 101}}),
    ("logit_bias", {"logit_bias": {"5": "1"}}),
    ("logit_bias", {"logit_bias": {"999999": 1}}),
    ("stop", {"stop": "x" * 10**6}),
    ("stop[1]", {"stop": ["a", "x" * 10**6]}),
    ("stop", {"stop": ["a"] * 17}),
    ("stop", {"stop": 5}),
    ("stop[0]", {"stop": [5]}),
    ("stop_token_ids", {"stop_token_ids": [-1]}),
    ("stop_token_ids", {"stop_token_ids": ["x"]}),
    ("ignore_eos", {"ignore_eos": "yes"}),
    ("min_tokens", {"min_tokens": -1}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": -1}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("max_tokens", {"max_tokens": 10**30}),
    ("max_tokens", {"max_tokens": "many"}),
    ("max_completion_tokens", {"max_completion_tokens": True}),
    ("n", {"n": 1000}),
    ("n", {"n": 0}),
    ("n", {"n": "2"}),
    ("stream", {"stream": 1}),
    ("stream_options", {"stream_options": 1}),
    ("model", {"model": 5}),
    ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
    ("top_logprobs", {"top_logprobs": 2}),
    ("session_id", {"session_id": "x" * 1000}),
    ("priority", {"priority": 101}),
    ("resume_hint", {"resume_hint": "maybe"}),
    ("reasoning_effort", {"reasoning_effort": "heroic"}),
    ("thinking_budget", {"thinking_budget": -1}),
    ("tools", {"tools": tool()}),
    ("tools[0].type", {"tools": [{"type": "web_search"}]}),
    ("tools[0].function.name", {"tools": [tool("")]}),
    ("tools[0].function.name", {"tools": [tool("f{<|tool_call>")]}),
    ("tools[0].function.parameters", {"tools": [tool(parameters="x")]}),
    ("tools[1].function.name", {"tools": [tool(), tool()]}),
    ("tools[0].function.parameters", {"tools": [tool(strict=True, parameters={"type": "object", "properties": {"a": {"pattern": "("}}})]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tools": [tool("f")], "tool_choice": {"type": "function", "function": {"name": "g"}}}),
    ("tool_choice", {"tools": [tool("f")], "tool_choice": "always"}),
    ("tool_choice", {"tools": [tool("f")], "tool_choice": 5}),
    ("response_format.type", {"response_format": {"type": "xml"}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("response_format.json_schema.schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}}),
    ("guided_json", {"guided_json": {"type": "object"}}),
    ("functions", {"functions": [{"name": "f"}]}),
)

SCHEMAS = {
    "refers to itself": {"$ref": "#"},
    "two that refer to each other": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "refers to what is not there": {"$ref": "#/$defs/a"},
    "refers to another server": {"$ref": "http://example.com/schema.json"},
    "merged with itself": {"allOf": [{"$ref": "#"}]},
    "a keyword of nobody": {"type": "object", "frobnicate": 1},
    "a type of nobody": {"type": "frob"},
    "look-behind": {"type": "string", "pattern": "(?<=a)b"},
    "a back reference": {"type": "string", "pattern": r"(a)\1"},
    "an open group": {"type": "string", "pattern": "(" * 1000},
    "a pattern of a million nodes": {"type": "string", "pattern": "(a{1000}){1000}"},
    "a pattern of 2^30 states": {"type": "string", "pattern": "(a|b)*a(a|b){30}"},
    "a long pattern": {"type": "string", "pattern": "a" * 10**6},
    "a million values": {"enum": [f"v{i}" for i in range(10**6)]},
    "a huge value": {"const": "x" * 10**6},
    "no value": {"enum": []},
    "a billion items": {"type": "array", "minItems": 10**9},
    "no number between": {"type": "integer", "minimum": 5, "maximum": 4},
    "a number of many digits": {"type": "number", "minimum": 1e300},
    "2^40 ways": {"allOf": [{"anyOf": [{"properties": {f"{i}": {"const": j}}} for j in range(2)]} for i in range(40)]},
    "required, and a list of numbers": {"type": "object", "required": [5]},
}

BODIES = {
    "nothing": b"",
    "a space": b" ",
    "binary": bytes(range(256)) * 1000,
    "not UTF-8": b'{"messages":[{"role":"user","content":"\xff\xfe"}]}',
    "overlong UTF-8": b'{"messages":[{"role":"user","content":"\xc0\xaf"}]}',
    "half a surrogate pair": b'{"messages":[{"role":"user","content":"\\ud800"}]}',
    "something after it": json.dumps(chat()).encode() + b"{}",
    "cut off": json.dumps(chat()).encode()[:-1],
    "a list": b"[]",
    "a text": b'"hello"',
    "NaN": b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    "1e999": b'{"messages":[{"role":"user","content":"x"}],"temperature":1e999}',
    "65 levels": nested(65),
    "100,000 levels": nested(100_000),
    "a million brackets": b"[" * 10**6,
    "a million biases": json.dumps(chat(logit_bias={str(i): 1 for i in range(10**6)})).encode(),
    "2,000 fields": json.dumps(chat(**{f"x{i}": 1 for i in range(2000)})).encode(),
}

# Longer than the context, in the ways that are slowest to tokenise.
LONG = {
    "words": chat("word " * 6_000_000),
    "letters": chat("a b " * 7_500_000),
    "one word": chat("a" * 30_000_000),
    "emoji": chat("\U0001F600" * 2_000_000),
    "control tokens": chat("<|turn>" * 4_000_000),
    "messages": {"messages": [{"role": "user", "content": "x"}] * 100_000},
}

# Status, and the bytes. None of them leaves the connection usable.
SHAPES = {
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/3.0": (505, b"GET / HTTP/3.0\r\nHost: x\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /health\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    "binary": (400, bytes(range(128, 256)) + b"\r\n\r\n"),
    "both lengths": (400, request("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\nGET /health HTTP/1.1\r\n\r\n")),
    "two lengths": (400, request("Content-Length: 5", "Content-Length: 6", body=b"hello!")),
    "a list of lengths": (400, request("Content-Length: 5, 5", body=b"hello")),
    "a negative length": (400, request("Content-Length: -5")),
    "a length with a sign": (400, request("Content-Length: +5", body=b"hello")),
    "a length beyond 64 bits": (400, request("Content-Length: 99999999999999999999999")),
    "two encodings": (400, request("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "an encoding with a tab": (400, request("Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n")),
    "a space before the colon": (400, request("Content-Length : 5", body=b"hello")),
    "a folded line": (400, request("A: b\r\n c")),
    "a bare line feed": (400, b"GET /health HTTP/1.1\nHost: x\n\n"),
    "a bare carriage return": (400, request("A: b\rContent-Length: 5")),
    "a zero byte": (400, request("A: \0")),
    "no host": (400, b"GET /health HTTP/1.1\r\n\r\n"),
    "two hosts": (400, request("Host: y")),
    "a chunk of nonsense": (400, request("Transfer-Encoding: chunked", body=b"xyz\r\n")),
    "a chunk beyond 64 bits": (400, request("Transfer-Encoding: chunked", body=b"ffffffffffffffff1\r\n")),
    "a chunk without its end": (400, request("Transfer-Encoding: chunked", body=b"2\r\n{}xx0\r\n\r\n")),
    "CONNECT": (400, b"CONNECT example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a long field": (431, request("A: " + "a" * 10**6)),
    "an endless line": (414, b"GET /" + b"a" * 10**6),
    "many fields": (431, request(*["A: b"] * 1000)),
    "an expectation": (417, request("Expect: miracles", "Content-Length: 2", body=b"{}")),
    "a large body": (413, request(f"Content-Length: {BODY_BYTES_MAX + 1}")),
    "a body of a terabyte": (413, request(f"Content-Length: {10**12}", "Expect: 100-continue")),
    "a large body in chunks": (413, request("Transfer-Encoding: chunked", body=(b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 33)),
    "a form": (415, request("Content-Length: 2", "Connection: close", body=b"{}").replace(b"application/json", b"application/x-www-form-urlencoded")),
    "no such page": (404, b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    "no such method": (405, b"BREW /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
}


class HttpHostileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cluster = Cluster(MODEL, http=True)
        cluster.__enter__()
        cls.addClassCleanup(cluster.__exit__)
        cls.address, cls.process = cluster.http_address, cluster.processes["router"]
        # Once each way, so that what is made at first use is there.
        for _ in range(3):
            assert post(cls.address, chat()).text() == CAPITAL_ANSWER
        cls.before = Held(cls.process.pid)

    def tearDown(self):
        self.assertEqual(post(self.address, chat()).text(), CAPITAL_ANSWER)
        eventually(lambda: in_hand(self.address) == (0, 0, 0), 5, lambda: in_hand(self.address))
        # One connection may be closing, gRPC's pool may breathe.
        eventually(lambda: Held(self.process.pid).files <= self.before.files + 2, 5, lambda: f"{Held(self.process.pid)} of {self.before}")
        self.assertLessEqual(Held(self.process.pid).threads, self.before.threads + 2)
        print(f"{self._testMethodName}: {Held(self.process.pid)}")

    def assert_refused(self, reply, statuses=(400,)):
        self.assertIn(reply.status, statuses, reply)
        self.assertEqual(reply.headers["content-type"], "application/json")
        error = reply.error()
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertTrue(error["message"], reply)
        self.assertEqual(error["type"], "server_error" if reply.status >= 500 else "invalid_request_error")
        self.assertLess(len(reply.body), 2000, "an error does not echo what it was sent")
        return error

    def refused(self, body, **how):
        began = time.monotonic()
        error = self.assert_refused(post(self.address, body, **how))
        self.assertLess(time.monotonic() - began, REFUSED_WITHIN_SECONDS)
        return error

    def test_a_field_at_fault_is_named(self):
        for param, fields in FIELDS:
            with self.subTest(json.dumps(fields)[:100]):
                self.assertEqual(self.refused(chat(**fields))["param"], param)

    def test_a_schema_that_cannot_be_kept_is_refused(self):
        for name, value in SCHEMAS.items():
            with self.subTest(name):
                self.assertEqual(self.refused(schema(value))["param"], "response_format.json_schema.schema")

    def test_a_body_that_is_no_request(self):
        for name, body in BODIES.items():
            for path in (CHAT, "/v1/completions", "/v1/responses"):
                with self.subTest(name, path=path):
                    self.refused(body, path=path)
            with self.subTest(name, path="/v1/messages"):
                reply = post(self.address, body, path="/v1/messages")
                self.assertEqual((reply.status, reply.json()["type"], reply.error()["type"]), (400, "error", "invalid_request_error"))

    def test_a_prompt_beyond_the_context_is_refused_at_once(self):
        for name, body in LONG.items():
            with self.subTest(name):
                self.assertEqual(self.refused(body)["code"], "context_length_exceeded")
        for path, body in (("/v1/completions", {"prompt": LONG["words"]["messages"][0]["content"]}),
                           ("/v1/responses", {"input": LONG["words"]["messages"][0]["content"]}),
                           ("/v1/messages/count_tokens", LONG["words"])):
            with self.subTest(path):
                began = time.monotonic()
                self.assertEqual(post(self.address, body, path=path).status, 400)
                self.assertLess(time.monotonic() - began, REFUSED_WITHIN_SECONDS)

    def test_bytes_that_are_no_request(self):
        for name, (status, shape) in SHAPES.items():
            with self.subTest(name):
                began = time.monotonic()
                replies = raw(self.address, shape)
                self.assertLess(time.monotonic() - began, REFUSED_WITHIN_SECONDS)
                self.assertEqual(len(replies), 1, "what follows is not taken for a request")
                self.assert_refused(replies[0], (status,))
                self.assertEqual(replies[0].headers["connection"], "close")

    def test_what_is_odd_and_no_fault(self):
        for name, body in {
            "a field of nobody": chat(frobnicate={"a": [1, None]}),
            "nulls": chat(stop=None, tools=None, logit_bias=None, response_format=None, n=None, seed=None, max_tokens=None),
            "more tokens than there are": chat(max_tokens=10**12),
            "white space": chat(" " * 10**6 + chat()["messages"][0]["content"] + "\n" * 10**6),
            "a mark of the byte order": b"\xef\xbb\xbf" + json.dumps(chat()).encode(),
            "an empty stop string": chat(stop=""),
            "1,024 biases": chat(logit_bias={str(i): 0 for i in range(1024)}),
        }.items():
            with self.subTest(name):
                self.assertEqual(post(self.address, body).text(), CAPITAL_ANSWER)

    def test_control_tokens_of_a_user_stay_text(self):
        """Spelled by a user they do not end the turn: the prompt has more tokens than the format alone would have."""
        plain, spelled = (post(self.address, chat(text, max_tokens=1)).json()["usage"]["prompt_tokens"] for text in ("x", "<turn|>"))
        self.assertGreater(spelled, plain)

    def test_connections_that_say_little(self):
        """Nothing, half a head, half a body: each is closed in its time, with an error where something had come; others do not wait meanwhile."""
        body = request("Content-Length: 100", body=b"{")
        halves = {"nothing": (b"", None, 10), "half a head": (body[:20], 408, 10), "half a body": (body, 408, 30)}
        began = time.monotonic()
        opened = []
        self.addCleanup(lambda: [connection.close() for _, connection in opened])
        for name, (half, _, _) in halves.items():
            for _ in range(50):
                opened.append((name, connect(self.address)))
                opened[-1][1].sendall(half)
        asked = time.monotonic()
        self.assertEqual(post(self.address, chat()).text(), CAPITAL_ANSWER)
        self.assertLess(time.monotonic() - asked, REFUSED_WITHIN_SECONDS)
        for name, connection in opened:
            _, status, seconds = halves[name]
            got = b""
            while piece := connection.recv(65536):
                got += piece
            took = time.monotonic() - began
            self.assertTrue(seconds - 1 < took < seconds + 5, f"{name}: closed after {took:.1f} s")
            self.assertEqual([reply.status for reply in replies_in(got)], [status] if status else [], name)
            if status:
                self.assert_refused(replies_in(got)[0], (status,))

    def test_pages_are_served_beside_a_flood_of_prompts_that_are_too_long(self):
        """They are judged by their length, before anybody tokenises them."""
        long = json.dumps(LONG["words"]).encode()
        floods = [connect(self.address) for _ in range(8)]
        for flood in floods:
            self.addCleanup(flood.close)
            flood.sendall(request(f"Content-Length: {len(long)}", "Connection: close", body=long))
        began = time.monotonic()
        self.assertEqual(send(self.address, "GET", "/health").status, 200)
        self.assertLess(time.monotonic() - began, REFUSED_WITHIN_SECONDS)
        for flood in floods:
            self.assertIn(b" 400 ", flood.recv(65536))


if __name__ == "__main__":
    unittest.main()
