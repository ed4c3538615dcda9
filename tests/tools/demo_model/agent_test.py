"""The demo's agent: its tools, and what it shows of an answer while that comes."""

import contextlib
import io
import unittest

import agent


def shown(pieces, in_thought=False):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        printer = agent.Printer(in_thought)
        for piece in pieces:
            printer.add(piece)
        printer.finish()
    return out.getvalue()


class AgentTest(unittest.TestCase):
    def test_tools(self):
        self.assertEqual(agent.run_tool("calculator", {"expression": "1234 * 56"}), {"result": 69104})
        self.assertEqual(agent.run_tool("get_weather", {"city": "Oslo"}), agent.run_tool("get_weather", {"city": "Oslo"}))
        for text, value in (("2+2", 4), ("7*(8-3)", 35), ("-3 / 2", -1.5), ("1.5 * 4", 6)):
            self.assertEqual(agent.run_tool("calculator", {"expression": text}), {"result": value})
        self.assertIn("time", agent.run_tool("get_time", {"city": "New York"}))
        self.assertNotEqual(agent.run_tool("get_time", {"city": "Tokyo"})["time"], agent.run_tool("get_time", {"city": "Lisbon"})["time"])
        self.assertIn("price", agent.run_tool("check_inventory", {"item": "mug"}))

    def test_what_a_model_may_get_wrong(self):
        for name, arguments in (("fly", {}), ("calculator", {}), ("calculator", {"expression": "1 +"}), ("calculator", {"expression": "__import__"}),
                                ("calculator", {"expression": "7 times 8"}), ("calculator", {"expression": "1 2 3"}), ("calculator", {"expression": "1 / 0"}),
                                ("calculator", {"expression": "9 ** 9"}), ("calculator", {"expression": "True"}), ("get_time", {"city": "Nowhere"}),
                                ("calculator", {"expression": 3}), ("get_weather", {"city": 3}), ("check_inventory", {"item": None})):
            self.assertIn("error", agent.run_tool(name, arguments), (name, arguments))

    def test_an_answer_is_shown_as_it_comes(self):
        self.assertEqual(shown(["It", " is", " 7."]), "answer:      It is 7.\n")
        self.assertEqual(shown(["<", "b>hi", "</b> 3 ", "<", " 4"]), "answer:      <b>hi</b> 3 < 4\n")
        self.assertEqual(shown(["1 ", "<|tool", "_call>x"]), "answer:      1 \n")

    def test_thoughts_are_shown_whole_and_calls_not_at_all(self):
        self.assertEqual(shown(["<|chan", "nel>", "thought\n", "hm", "\n<channel|>", "Hi"]), "thought:     hm\nanswer:      Hi\n")
        self.assertEqual(shown(["hm", "\n<channel|>", "<|tool_call>call:f{}"], True), "thought:     hm\n")
        self.assertEqual(shown(["<|tool_call>", "call:f{}"]), "")


if __name__ == "__main__":
    unittest.main()
