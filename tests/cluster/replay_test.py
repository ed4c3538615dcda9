"""An agent's session of 33 turns through a router: the KV cache finds what it could, as bench/serve/replay.py measures it on real traces."""

import unittest

import replay
import servers

MODEL = "tools/demo_model/checkpoint"
BLOCK = 64
COMPACTED, EDITED = 12, 22


def request(ids, tail, num_answer):
    return {"type": "n", "in": len(ids) * BLOCK + tail, "out": num_answer, "hash_ids": ids}


def trace():
    """Blocks of a system prompt, then turns of a tool's result each. One prompt parts from the one before after its system prompt, one in the last block,
    as compaction and edited messages do."""
    fresh = iter(range(10_000))
    requests, ids = [], [next(fresh) for _ in range(32)]
    for turn in range(33):
        if turn == COMPACTED:
            ids = ids[:32] + [next(fresh) for _ in range(8)]
        if turn == EDITED:
            ids = requests[-1]["hash_ids"][:-1] + [next(fresh) for _ in range(3)]
        # Most answers are shorter than a block; the one before the edit is not, so that its end is a checkpoint of its own.
        requests.append(request(list(ids), turn * 7 % BLOCK, 200 if turn == EDITED - 1 else 10 + turn % 5 * 8))
        ids += [next(fresh) for _ in range(2 + turn % 3 * 2)]
    return {"block_size": BLOCK, "requests": requests}


class ReplayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.router = servers.Router(MODEL, 1, ["--max_context=12288", f"--kv_bytes={256 << 20}", "--prefill_chunk=512"])
        cls.router.__enter__()
        cls.addClassCleanup(cls.router.__exit__)

    def test_a_session_finds_95_percent_of_what_it_could(self):
        session = replay.Session(trace(), 33, 12288, servers.vocabulary(MODEL))
        turns = replay.replay(self.router, session)
        replay.print_replay(turns, session.scale)
        self.assertEqual(len(turns), 33)
        self.assertGreaterEqual(replay.share(turns), 0.95)
        for number, turn in enumerate(turns):
            self.assertLessEqual(turn["cached"], turn["ideal"], "nothing is found that was never there")
            if number != COMPACTED:
                self.assertLessEqual(turn["ideal"] - turn["cached"], BLOCK, number)


class SessionTest(unittest.TestCase):
    def session(self, requests, max_context=100_000):
        session = replay.Session({"block_size": BLOCK, "requests": requests}, 33, max_context, 4096)
        for _ in requests:
            prompt = session.next_prompt()
            session.answered(prompt, [999] * session.num_answer())
        return session

    def test_a_prompt_with_all_blocks_goes_on_after_the_answer(self):
        first, second = self.session([request([1, 2], 5, 20), request([1, 2, 3], 9, 1)]).prompts
        self.assertEqual((len(first), len(second)), (133, 201))
        self.assertEqual(second[:153], first + [999] * 20)

    def test_a_prompt_too_short_for_the_answer_goes_on_without_it(self):
        first, second = self.session([request([1, 2], 5, 90), request([1, 2, 3], 9, 1)]).prompts
        self.assertEqual(second[:133], first)
        self.assertNotEqual(second[133], 999)

    def test_a_prompt_that_parts_shares_the_blocks_before(self):
        first, second, third = self.session([request([1, 2, 3], 0, 1), request([1, 2, 4], 0, 1), request([1, 2, 4, 5], 0, 1)]).prompts
        self.assertEqual(replay.common(first, second), 128)
        self.assertEqual(replay.common(second, third), 192)

    def test_lengths_fit_the_context(self):
        session = self.session([request(list(range(n)), 3, 50) for n in (100, 200, 300)], max_context=1000)
        self.assertLessEqual(max(len(p) + len(a) for p, a in zip(session.prompts, session.answers)), 1000)
        self.assertAlmostEqual(len(session.prompts[0]), len(session.prompts[2]) / 3, delta=2)
        before = session.prompts[1] + session.answers[1]
        self.assertEqual(replay.common(before, session.prompts[2]), len(before))

    def test_ideal_leaves_the_last_token(self):
        session = self.session([request([1, 2], 0, 4)])
        self.assertEqual(session.ideal(session.prompts[0]), 127)
        self.assertEqual(session.ideal(session.prompts[0] + [999] * 4 + [5]), 132)
        self.assertEqual(session.ideal([3, 4]), 0)


if __name__ == "__main__":
    unittest.main()
