"""A thousand streams at once, readers that do not read and clients that go away: what they cost the router, and what they cost the others."""

import resource
import threading
import time
import unittest

from cluster import Cluster
from http_router import CAPITAL_ANSWER, STORY, Held, Stream, chat, eventually, in_hand, metrics, post

MODEL = "tools/demo_model/checkpoint"
NUM_STREAMS = 1000
STREAM_BYTES_MAX = 64 << 10
FLAGS = ("--max_sequences=4", "--max_queued=2000", "--max_queued_per_tenant=2000")
NOTHING = (0, 0, 0)


def endless(tokens, **fields):
    """Goes on for so many tokens."""
    return chat(STORY, max_tokens=tokens, ignore_eos=True, rails=False, **fields)


class HttpStreamsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2 * NUM_STREAMS:
            raise unittest.SkipTest(f"only {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * NUM_STREAMS, hard))  # the router inherits it
        cluster = Cluster(MODEL, http=True, router_flags=FLAGS)
        cluster.__enter__()
        cls.addClassCleanup(cluster.__exit__)
        cls.address, cls.process = cluster.http_address, cluster.processes["router"]
        assert post(cls.address, chat()).text() == CAPITAL_ANSWER

    def held(self):
        return Held(self.process.pid)

    def open(self, *bodies):
        streams = [Stream(self.address, body) for body in bodies]
        self.addCleanup(lambda: [stream.close() for stream in streams])
        return streams

    def occupy(self):
        """Streams in all four places, for longer than a test lasts."""
        blockers = self.open(*[endless(8000)] * 4)
        for blocker in blockers:
            next(blocker.chunks())
        return blockers

    def tearDown(self):
        self.doCleanups()
        eventually(lambda: in_hand(self.address) == NOTHING, 5, lambda: in_hand(self.address))

    def test_a_thousand_streams_wait_and_are_answered(self):
        blockers = self.occupy()
        before = self.held()
        streams = self.open(*[chat()] * NUM_STREAMS)
        eventually(lambda: in_hand(self.address)[1] == NUM_STREAMS, 20, lambda: in_hand(self.address))
        waiting = self.held()
        per_stream = (waiting.rss_bytes - before.rss_bytes) / NUM_STREAMS
        print(f"{NUM_STREAMS} streams: {before}, then {waiting}; {per_stream / 1024:.1f} KiB a stream")
        self.assertLess(per_stream, STREAM_BYTES_MAX)
        self.assertLessEqual(waiting.threads, before.threads + 2, "no thread of its own for a stream")
        for blocker in blockers:
            blocker.close()
        began = time.monotonic()
        for stream in streams:
            self.assertEqual(stream.text(), CAPITAL_ANSWER)
        print(f"answered in {time.monotonic() - began:.1f} s; {self.held()}")
        self.assertLess((self.held().rss_bytes - before.rss_bytes) / NUM_STREAMS, STREAM_BYTES_MAX)

    def test_streams_that_are_closed_free_their_places(self):
        before = self.held()
        blockers = self.occupy()
        streams = self.open(*[chat()] * NUM_STREAMS)
        eventually(lambda: in_hand(self.address)[1] == NUM_STREAMS, 20, lambda: in_hand(self.address))
        for stream in (*blockers, *streams[::2]):
            stream.close()
        freed = eventually(lambda: in_hand(self.address)[1] <= NUM_STREAMS / 2, 5, lambda: in_hand(self.address))
        for stream in streams[1::2]:
            self.assertEqual(stream.text(), CAPITAL_ANSWER)
        idle = eventually(lambda: in_hand(self.address) == NOTHING, 5, lambda: in_hand(self.address))
        for stream in streams:
            stream.close()
        closed = eventually(lambda: self.held().files <= before.files + 2, 5, lambda: f"{self.held()} of {before}")
        print(f"half of the streams were gone after {freed:.2f} s, nothing was held {idle:.2f} s after the last, files were closed {closed:.2f} s later")

    def test_a_client_that_goes_away_frees_its_blocks(self):
        cancelled = lambda: metrics(self.address).get('router_answers_total{reason="cancelled"}', 0)
        before = cancelled()
        stream, = self.open(endless(8000))
        for _ in range(20):
            next(stream.chunks())
        self.assertGreater(in_hand(self.address)[2], 0)
        stream.close()
        took = eventually(lambda: in_hand(self.address) == NOTHING, 2, lambda: in_hand(self.address))
        print(f"freed after {took:.3f} s")
        self.assertEqual(cancelled(), before + 1)

    def test_a_reader_that_does_not_read_slows_nobody_and_is_let_go(self):
        def seconds():
            body, began = endless(400), time.monotonic()
            self.assertEqual(post(self.address, body).json()["usage"]["completion_tokens"], 400)
            return time.monotonic() - began

        alone = min(seconds() for _ in range(2))
        # A running neighbour makes a step longer, whether it reads or not: the one to compare with reads all it gets.
        reader, = self.open(endless(8000))
        next(reader.chunks())
        beside_reader = self.while_reading(reader, seconds)
        reader.close()
        # Every token with twenty others: megabytes, far more than the sockets hold.
        sleeper, = self.open(endless(8000, logprobs=True, top_logprobs=20))
        eventually(lambda: in_hand(self.address)[0] == 1, 5, lambda: in_hand(self.address))
        before = self.held()
        beside_sleeper = min(seconds() for _ in range(2))
        took = eventually(lambda: in_hand(self.address) == NOTHING, 60, lambda: in_hand(self.address))
        print(f"400 tokens: {alone:.2f} s alone, {beside_reader:.2f} s beside a reader, {beside_sleeper:.2f} s beside a sleeper, "
              f"who was let go {took:.1f} s later; {before}, then {self.held()}")
        self.assertLess(beside_sleeper, 2 * beside_reader + 0.5)
        self.assertLess(self.held().rss_bytes - before.rss_bytes, 64 << 20)

    def while_reading(self, stream, work):
        ended = threading.Event()

        def read():
            while not ended.is_set():
                try:
                    stream.connection.sock.recv(65536)
                except TimeoutError:
                    pass

        stream.connection.sock.settimeout(0.05)
        thread = threading.Thread(target=read)
        thread.start()
        try:
            return min(work() for _ in range(2))
        finally:
            ended.set()
            thread.join()


if __name__ == "__main__":
    unittest.main()
