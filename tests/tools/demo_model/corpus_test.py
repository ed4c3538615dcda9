"""The corpus: what is drawn is what the format allows, and the judge tells right answers from wrong ones."""

import collections
import copy
import random
import unittest

import chat
import pieces
import scores
from corpus import dialogues, families, tasks

DIALOGUES = [dialogues.make_dialogue(f"test {i}") for i in range(800)]
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}


def expected_text(dialogue, index):
    return pieces.output_text(dialogue.chain[index], dialogue.thinking, index > 0)


def all_turns():
    return [(dialogue, index) for dialogue in DIALOGUES for index in range(len(dialogue.chain))]


class CorpusTest(unittest.TestCase):
    def test_a_seed_gives_one_dialogue(self):
        self.assertEqual(dialogues.make_dialogue("x"), dialogues.make_dialogue("x"))
        self.assertEqual(len({str(d) for d in DIALOGUES}), len(DIALOGUES))

    def test_every_kind_family_and_mode_occurs(self):
        self.assertEqual({d.kind for d in DIALOGUES}, set(dialogues.MAKERS))
        self.assertEqual({(d.kind, d.thinking) for d in DIALOGUES}, {(k, t) for k in dialogues.MAKERS for t in (False, True)})
        declared = {t["function"]["description"] for d in DIALOGUES for t in d.tools}
        for family in families.FAMILIES:
            self.assertTrue(declared & set(family.descriptions), family.key)

    def test_pieces_are_the_rendered_conversation(self):
        rng = random.Random(3)
        for dialogue in DIALOGUES:
            parts = pieces.pieces(dialogue, rng)
            text = "".join(part for part, _ in parts)
            last = len(dialogue.chain) - 1
            rendered = chat.render(dialogues.messages_before(dialogue, last), dialogue.tools, dialogue.thinking) + expected_text(dialogue, last)
            # With thinking off and a call behind it, the channel that the model's prompt opened is still there.
            self.assertEqual(text.replace(chat.EMPTY_CHANNEL, ""), rendered.replace(chat.EMPTY_CHANNEL, ""))
            self.assertEqual(parts[-1][1], pieces.SPOKEN)

    def test_calls_fit_the_declarations(self):
        for dialogue in DIALOGUES:
            tools = {t["function"]["name"]: t["function"]["parameters"] for t in dialogue.tools}
            self.assertEqual(len(tools), len(dialogue.tools))
            for step in dialogue.chain:
                for call in step.calls:
                    parameters = tools[call["name"]]
                    self.assertEqual(set(call["arguments"]), set(parameters["required"]))
                    for name, value in call["arguments"].items():
                        schema = parameters["properties"][name]
                        self.assertIsInstance(value, TYPES[schema["type"]])
                        self.assertIn(value, schema.get("enum", [value]))

    def test_answers_hold_their_facts(self):
        for dialogue in DIALOGUES:
            for step in dialogue.chain:
                for fact in step.facts:
                    self.assertIn(fact, step.content)

    def test_refusals_have_no_tool_that_fits(self):
        for dialogue in DIALOGUES:
            if dialogue.kind == "refusal":
                purposes = {f.purpose for f in families.FAMILIES for t in dialogue.tools if t["function"]["description"] in f.descriptions}
                self.assertNotIn(dialogue.chain[0].facts[1], purposes)

    def test_calculator(self):
        for text, value in (("2 + 3 * 4", 14), ("10 - 3 - 2", 5), ("7", 7), ("2 * 3 * 4", 24), ("1 - 2 * 3 + 4", -1)):
            self.assertEqual(families.calculate(text), value)

    def test_lists_and_booleans_in_sentences(self):
        self.assertEqual(tasks.fill("{x} and {on:on,off}", {"x": ["a", "b", "c"], "on": False}), "a, b and c and off")


class JudgeTest(unittest.TestCase):
    def test_the_expected_answer_is_right(self):
        for dialogue, index in all_turns():
            judgement = scores.judge(dialogue, index, expected_text(dialogue, index))
            self.assertEqual([], [f for f in scores.FIELDS if getattr(judgement, f) is False], expected_text(dialogue, index))

    def test_wrong_answers_are_wrong(self):
        noticed = collections.Counter()
        for dialogue, index in all_turns():
            step = dialogue.chain[index]
            wrong = copy.deepcopy(dialogue)
            if step.calls:
                call = wrong.chain[index].calls[0]
                call["name"] += "x"
                noticed["name"] += scores.judge(dialogue, index, expected_text(wrong, index)).right_names is False
                call["name"] = step.calls[0]["name"]
                key = sorted(call["arguments"])[0]
                call["arguments"][key] = "?"
                judgement = scores.judge(dialogue, index, expected_text(wrong, index))
                self.assertTrue(judgement.right_names)
                self.assertFalse(judgement.right_arguments)
                self.assertFalse(scores.judge(dialogue, index, "I cannot.<turn|>").calls_when_it_should)
            elif step.facts or step.json is not None:
                wrong.chain[index].content = "Something else"
                self.assertFalse(scores.judge(dialogue, index, expected_text(wrong, index)).consistent)
                wrong.chain[index].content = step.content + " 9876543"
                self.assertFalse(scores.judge(dialogue, index, expected_text(wrong, index)).consistent, "a number that nobody said")
                if len(step.facts) > 1:  # any one of them missing
                    wrong.chain[index].content = " ".join(step.facts[1:])
                    noticed["one fact"] += scores.judge(dialogue, index, expected_text(wrong, index)).consistent is False
                noticed["content"] += 1
            wrong.thinking = not dialogue.thinking
            if index == 0:
                self.assertFalse(scores.judge(dialogue, index, expected_text(wrong, index)).thinking_obeyed)
            self.assertFalse(scores.judge(dialogue, index, expected_text(dialogue, index)[:-1]).well_formed)
        self.assertGreater(noticed["name"], 100)
        self.assertGreater(noticed["content"], 100)
        self.assertGreater(noticed["one fact"], 100)

    def test_values_must_be_the_same_to_the_type(self):
        for dialogue, index in all_turns():
            for call_index, call in enumerate(dialogue.chain[index].calls):
                for key, value in call["arguments"].items():
                    if isinstance(value, int):
                        wrong = copy.deepcopy(dialogue)
                        wrong.chain[index].calls[call_index]["arguments"][key] = int(value) if isinstance(value, bool) else float(value)
                        self.assertFalse(scores.judge(dialogue, index, expected_text(wrong, index)).right_arguments)

    def test_json_must_have_every_field(self):
        for dialogue in DIALOGUES:
            if dialogue.kind == "json":
                wrong = copy.deepcopy(dialogue)
                wrong.chain[0].content = '{"name":"x"}'
                self.assertFalse(scores.judge(dialogue, 0, expected_text(wrong, 0)).consistent)

    def test_a_call_is_no_answer(self):
        for dialogue, index in all_turns():
            if not dialogue.chain[index].calls:
                judgement = scores.judge(dialogue, index, "x\n<channel|>" * (dialogue.thinking and index > 0)
                                         + "<|tool_call>call:f{}<tool_call|><|tool_response>")
                self.assertFalse(judgement.consistent)
                self.assertFalse(judgement.calls_when_it_should)

    def test_refusals_name_only_what_the_tools_can_do(self):
        for dialogue in DIALOGUES:
            if dialogue.kind == "refusal":
                head = f"I have no tool to {dialogue.chain[0].facts[1]}."
                able = dialogue.chain[0].abilities
                for tail, right in (("", True), (" I can fly.", False), (f" I can {able[0]}, {able[0]} or {able[0]}." if able else " Yes.", False),
                                    *([(f" What I can do is {able[0]}.", True)] if able else [])):
                    wrong = copy.deepcopy(dialogue)
                    wrong.chain[0].content = head + tail
                    self.assertEqual(scores.judge(dialogue, 0, expected_text(wrong, 0)).consistent, right, head + tail)

    def test_fingerprints_tell_calls_apart(self):
        dialogue = next(d for d in DIALOGUES if d.chain[0].calls)
        other = copy.deepcopy(dialogue)
        other.chain[0].calls[0]["name"] += "x"
        self.assertNotEqual(scores._fingerprint(dialogue), scores._fingerprint(other))

    def test_order_of_parallel_calls_is_free(self):
        for dialogue, index in all_turns():
            if len(dialogue.chain[index].calls) == 2:
                turned = copy.deepcopy(dialogue)
                turned.chain[index].calls.reverse()
                self.assertTrue(scores.judge(dialogue, index, expected_text(turned, index)).right_arguments)

    def test_held_out_dialogues_are_not_the_trainings(self):
        seen = scores.fingerprints(f"26 0 {i}" for i in range(300))
        held_out, _ = scores.held_out(50, seen)
        self.assertFalse(seen & {scores._fingerprint(d) for d in held_out})
        again, dropped = scores.held_out(50, {scores._fingerprint(held_out[0])})
        self.assertGreaterEqual(dropped, 1)
        self.assertNotIn(held_out[0], again)


if __name__ == "__main__":
    unittest.main()
