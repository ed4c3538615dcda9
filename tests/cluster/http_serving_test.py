"""What serving promises, over the HTTP door of a router of its own: prefixes are found again and change nothing, tenants do not see each other,
queues say when to come back, a drain lets answers end."""

import json
import os
import signal
import tempfile
import threading
import unittest

from cluster import Cluster
from http_router import CAPITAL, CAPITAL_ANSWER, STORY, Stream, chat, eventually, in_hand, metrics, post, send, user

MODEL = "tools/demo_model/checkpoint"
# Some 1,500 tokens.
SYSTEM = "You are a helpful assistant. " + "The weather in Oslo is sunny. Anna has a red chair and a blue lamp. " * 60
RED, BLUE = {"Authorization": "Bearer key-of-red"}, {"x-api-key": "key-of-blue"}
THINKING = {"chat_template_kwargs": {"enable_thinking": True}}


def endless(tokens, **fields):
    return chat(STORY, max_tokens=tokens, ignore_eos=True, rails=False, **fields)


def cached(reply):
    return reply.json()["usage"]["prompt_tokens_details"]["cached_tokens"]


def prompt_tokens(reply):
    return reply.json()["usage"]["prompt_tokens"]


class HttpServingTest(unittest.TestCase):
    def router(self, *flags):
        """The HTTP address of a router that ends with the test."""
        self.cluster = Cluster(MODEL, http=True, router_flags=flags)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__)
        return self.cluster.http_address

    def router_with_keys(self, *flags):
        """The same with two tenants."""
        with tempfile.NamedTemporaryFile("w", dir=os.environ.get("TEST_TMPDIR")) as keys:
            keys.write("red key-of-red\nblue key-of-blue\n")
            keys.flush()
            return self.router(f"--api_keys_file={keys.name}", *flags)

    def stream(self, address, body, **how):
        stream = Stream(address, body, **how)
        self.addCleanup(stream.close)
        return stream

    def running(self, address, body, **how):
        """A stream that has its first token."""
        stream = self.stream(address, body, **how)
        next(stream.chunks())
        return stream

    def two_turns(self, address, **fields):
        first = post(address, chat(messages=user(CAPITAL, SYSTEM), **fields))
        answer = first.json()["choices"][0]["message"]
        follow_up = [*user(CAPITAL, SYSTEM), answer, *user("And what is the capital of France?")]
        return first, post(address, chat(messages=follow_up, **fields))

    def test_a_second_turn_finds_the_first(self):
        address, texts = self.router(), []
        for fields in ({}, THINKING):
            first, second = self.two_turns(address, **fields)
            texts += [first.json()["choices"][0]["message"], second.json()["choices"][0]["message"]]
            print(f"{fields}: {cached(second)} of {prompt_tokens(second)} tokens were there, of the first {cached(first)} of {prompt_tokens(first)}")
            self.assertGreater(cached(second), 0.9 * prompt_tokens(first))
            self.assertLess(cached(second), prompt_tokens(second))
        self.assertTrue(texts[2]["reasoning_content"])
        self.cluster.__exit__()
        address = self.router("--prefix_cache=false")
        without = []
        for fields in ({}, THINKING):
            for reply in self.two_turns(address, **fields):
                self.assertEqual(cached(reply), 0)
                without.append(reply.json()["choices"][0]["message"])
        self.assertEqual(texts, without, "what is remembered changes no answer")

    def test_choices_share_their_prompt(self):
        address = self.router()
        body = chat(messages=user(CAPITAL, SYSTEM), n=4, temperature=1, seed=3, max_tokens=20)
        reply = post(address, body)
        computed = metrics(address)['router_step_rows_total{kind="prompt"}']
        print(f"four choices: {computed:.0f} rows for a prompt of {prompt_tokens(reply)} tokens")
        self.assertEqual(len(reply.json()["choices"]), 4)
        self.assertGreater(len({choice["message"]["content"] for choice in reply.json()["choices"]}), 1)
        self.assertLess(computed, 1.2 * prompt_tokens(reply))
        self.assertEqual(post(address, body).json()["choices"], reply.json()["choices"])

    def test_tenants_do_not_see_what_the_others_have_computed(self):
        address = self.router_with_keys()
        body = chat(messages=user(CAPITAL, SYSTEM))
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer key-of-nobody"}, {"Authorization": "Basic a2V5"}, {"x-api-key": "red"}):
            reply = post(address, body, headers=headers)
            self.assertEqual((reply.status, reply.error()["type"], reply.error()["code"]), (401, "authentication_error", "invalid_api_key"), headers)
        for path in ("/health", "/ready", "/metrics"):
            self.assertEqual(send(address, "GET", path).status, 200)
        first = post(address, body, headers=RED)
        self.assertEqual(first.status, 200, first)
        self.assertGreater(cached(post(address, body, headers=RED)), 0.9 * prompt_tokens(first))
        others = post(address, body, headers=BLUE)
        self.assertEqual((cached(others), others.text()), (0, first.text()))
        self.assertGreater(cached(post(address, body, headers=BLUE)), 0.9 * prompt_tokens(first))

    def test_a_full_queue_says_when_to_come_back(self):
        address = self.router("--max_sequences=1", "--max_queued=2", "--max_queued_per_tenant=2")
        blocker = self.running(address, endless(8000))
        waiting = [self.stream(address, chat()) for _ in range(2)]
        eventually(lambda: in_hand(address)[:2] == (1, 2), 5, lambda: in_hand(address))
        for body in (chat(), chat(stream=True)):
            reply = post(address, body)
            self.assertEqual((reply.status, reply.error()["type"], reply.error()["code"]), (429, "rate_limit_error", "rate_limit_exceeded"))
            self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
        blocker.close()
        for stream in waiting:
            self.assertEqual(stream.text(), CAPITAL_ANSWER)
        self.assertEqual(post(address, chat()).text(), CAPITAL_ANSWER)

    def test_a_drain_lets_answers_end(self):
        address = self.router("--drain_timeout=60s")
        self.assertEqual([send(address, "GET", page).status for page in ("/health", "/ready")], [200, 200])
        whole = post(address, endless(1000)).text()
        stream = self.stream(address, endless(1000))
        pieces = stream.deltas()
        text = next(pieces)
        router = self.cluster.processes["router"]
        router.send_signal(signal.SIGTERM)
        eventually(lambda: send(address, "GET", "/ready").status == 503, 5, "not ready")
        refused = post(address, chat())
        self.assertEqual((refused.status, refused.error()["code"]), (503, "unavailable"), refused)
        self.assertTrue(refused.headers["Retry-After"])
        self.assertEqual(send(address, "GET", "/health").status, 200)
        self.assertIsNone(router.poll())
        self.assertEqual(text + "".join(pieces), whole)
        stream.close()
        self.assertEqual(router.wait(20), 0)

    def test_the_same_seed_gives_the_same_text_whatever_runs_beside_it(self):
        address = self.router("--max_sequences=8")
        body = chat(STORY, temperature=1.5, seed=7, max_tokens=120, ignore_eos=True)
        alone = post(address, body).text()
        neighbours = [self.running(address, endless(8000, temperature=1)) for _ in range(5)]
        together = [self.stream(address, body) for _ in range(6)]  # more than there are places: some yield or wait
        self.assertEqual({stream.text() for stream in together}, {alone})
        for neighbour in neighbours:
            neighbour.close()
        self.assertNotEqual(post(address, {**body, "seed": 8}).text(), alone)

    def test_a_higher_priority_goes_first(self):
        address = self.router("--max_sequences=1")
        blocker = self.running(address, endless(8000))
        finished, threads = [], []

        def ask(name, stream):
            self.assertEqual(stream.text(), CAPITAL_ANSWER)
            finished.append(name)

        for index, (name, priority) in enumerate((("low", -5), ("low", -5), ("none", 0), ("high", 5))):
            threads.append(threading.Thread(target=ask, args=(name, self.stream(address, chat(priority=priority)))))
            eventually(lambda: in_hand(address)[1] == index + 1, 5, lambda: in_hand(address))
            threads[-1].start()
        blocker.close()
        for thread in threads:
            thread.join()
        self.assertEqual(finished, ["high", "none", "low", "low"])

    def test_a_tenant_that_comes_does_not_wait_for_the_end_of_a_flood(self):
        address = self.router_with_keys("--max_sequences=2")
        flood = [self.stream(address, endless(500), headers=RED) for _ in range(6)]
        eventually(lambda: in_hand(address)[:2] == (2, 4), 5, lambda: in_hand(address))
        self.assertEqual(post(address, chat(), headers=BLUE).text(), CAPITAL_ANSWER)
        self.assertEqual(metrics(address)['router_answers_total{reason="length"}'], 0, "the flood was still there")
        self.assertEqual(metrics(address)["router_preemptions_total"], 1)
        # Who gave the place up goes on as if nothing had been.
        self.assertEqual(len({stream.text() for stream in flood}), 1)

    def test_reasoning_ends_with_its_budget(self):
        address = self.router()
        free = post(address, chat(STORY, **THINKING)).json()
        self.assertGreater(free["usage"]["completion_tokens_details"]["reasoning_tokens"], 5)
        cut = metrics(address)["router_thinking_cut_total"]
        for _ in range(2):  # the second finds the prompt in the cache
            bounded = post(address, chat(STORY, thinking_budget=5, **THINKING)).json()
            self.assertLessEqual(bounded["usage"]["completion_tokens_details"]["reasoning_tokens"], 5)
            message = bounded["choices"][0]["message"]
            self.assertTrue(message["reasoning_content"])
            self.assertTrue(message["content"])
            self.assertTrue(free["choices"][0]["message"]["reasoning_content"].startswith(message["reasoning_content"]))
        self.assertEqual(metrics(address)["router_thinking_cut_total"], cut + 2)

    def test_pages(self):
        address = self.router()
        for path in ("/health", "/healthz", "/livez", "/ready", "/readyz", "/", "/metrics", "/v1/models"):
            self.assertEqual(send(address, "GET", path).status, 200, path)
        self.assertEqual(json.loads(send(address, "GET", "/v1/models").body)["data"][0]["id"], "gemma-4-26b-a4b")
        for name in ("router_running_requests", "router_kv_used_bytes{group=\"global\"}", "router_generated_tokens_total"):
            self.assertIn(name, metrics(address))


if __name__ == "__main__":
    unittest.main()
