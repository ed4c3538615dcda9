"""The demo model through a router and two expert workers, all real processes: dialogues of other seeds than the training's are answered about as well
as the model card says, and the demo's agent gets from a question over a tool to the answer."""

import concurrent.futures
import contextlib
import io
import unittest

import agent
import evaluate
import router_client
import scores
from cluster import Cluster

MODEL = "tools/demo_model/checkpoint"
DIALOGUES = 80


def asked(address, question, thinking=False):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        agent.ask(address, question, thinking)
    return out.getvalue()


class DemoModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cluster = Cluster(MODEL)
        cls.address = cluster.__enter__()
        cls.addClassCleanup(cluster.__exit__)

    def test_held_out_dialogues(self):
        held_out, _ = scores.held_out(DIALOGUES)
        work = list(evaluate.turns(held_out))
        answers = evaluate.through_router(self.address, work, parallel=8)
        judgements = [scores.judge(dialogue, index, answer) for (dialogue, index, _), answer in zip(work, answers)]
        print(scores.table(judgements))
        for field, least in (("well_formed", 0.99), ("thinking_obeyed", 1), ("calls_when_it_should", 0.97), ("right_names", 0.95),
                             ("right_arguments", 0.93), ("consistent", 0.9)):
            self.assertGreaterEqual(scores.share(judgements, field)[0], least, field)

    def test_the_agent_calculates(self):
        for thinking in (False, True):
            shown = asked(self.address, agent.QUESTION, thinking)
            self.assertIn('tool call:   calculator {"expression": "1234 * 56"}', shown)
            self.assertIn('tool result: {"result": 69104}', shown)
            self.assertRegex(shown, "answer: .*69104")
            self.assertEqual("thought:" in shown, thinking)

    def test_the_router_counts_the_rows_of_every_expert(self):
        before = router_client.expert_load(self.address)
        router_client.generate(self.address, "<bos><|turn>user\nHi<turn|>\n<|turn>model\n")
        grown = [sum(layer) - sum(old) for layer, old in zip(router_client.expert_load(self.address), before)]
        self.assertEqual((len(before), {len(layer) for layer in before}), (12, {16}))
        self.assertGreater(grown[0], 0)
        self.assertEqual({rows for rows in grown}, {grown[0]}, "every row visits every layer")
        self.assertEqual(grown[0] % 4, 0, "and four experts in each")

    def test_a_router_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(router_client.RouterError, "UNAVAILABLE|DEADLINE_EXCEEDED"):
            router_client.generate("127.0.0.1:1", "Hi")


if __name__ == "__main__":
    unittest.main()
