"""Anthropic's Python library, unmodified: messages, whole and in a stream, with tools."""

import unittest

import anthropic
import service
from service import CAPITAL, CAPITAL_ANSWER, message_tools

# The library no longer has the parameter, the interface does.
GREEDY = {"temperature": 0}


class MessagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = anthropic.Anthropic(base_url=service.http_address(), api_key=service.api_key(), timeout=service.TIMEOUT_SECONDS, max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def options(self, messages, **options):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return {"model": service.model(), "max_tokens": 300, "messages": messages, "extra_body": GREEDY, **options}

    def test_an_answer(self):
        reply = self.client.messages.create(**self.options(CAPITAL, system=service.SYSTEM))
        self.assertEqual((reply.type, reply.role, reply.stop_reason), ("message", "assistant", "end_turn"))
        self.assertEqual([(block.type, block.text) for block in reply.content], [("text", CAPITAL_ANSWER)])
        self.assertGreater(reply.usage.input_tokens, 0)
        self.assertGreater(reply.usage.output_tokens, 0)

    def test_a_stream(self):
        with self.client.messages.stream(**self.options(CAPITAL)) as stream:
            pieces = list(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual("".join(pieces), CAPITAL_ANSWER)
        self.assertGreater(len(pieces), 2)
        self.assertEqual((final.content[0].text, final.stop_reason), (CAPITAL_ANSWER, "end_turn"))

    def test_the_events_of_a_stream(self):
        with self.client.messages.create(**self.options(CAPITAL), stream=True) as events:
            kinds = [event.type for event in events]
        self.assertEqual((kinds[0], kinds[-2:]), ("message_start", ["message_delta", "message_stop"]))
        self.assertLess(kinds.index("content_block_start"), kinds.index("content_block_delta"))
        self.assertLess(kinds.index("content_block_delta"), kinds.index("content_block_stop"))

    def test_a_length_and_a_stop_string(self):
        self.assertEqual(self.client.messages.create(**self.options(service.STORY, max_tokens=5)).stop_reason, "max_tokens")
        reply = self.client.messages.create(**self.options(service.LIST, stop_sequences=["Paris"]))
        self.assertEqual((reply.stop_reason, reply.stop_sequence), ("stop_sequence", "Paris"))
        self.assertEqual(reply.content[0].text.rstrip(), "- Oslo\n-")

    def test_thinking(self):
        reply = self.client.messages.create(**self.options(CAPITAL, max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024}))
        self.assertEqual([block.type for block in reply.content], ["thinking", "text"])
        self.assertEqual(reply.content[1].text, CAPITAL_ANSWER)

    def test_tools_to_the_answer(self):
        tools = message_tools("calculator", "get_weather")
        for question, expected in ((service.PRODUCT, [("calculator", {"expression": "1234 * 56"})]),
                                   (service.TWO_CITIES, [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Paris"})])):
            messages = [{"role": "user", "content": question}]
            for streamed in (False, True):
                options = self.options(messages, tools=tools, system=service.SYSTEM)
                if streamed:
                    with self.client.messages.stream(**options) as stream:
                        reply = stream.get_final_message()
                else:
                    reply = self.client.messages.create(**options)
                calls = [block for block in reply.content if block.type == "tool_use"]
                self.assertEqual(reply.stop_reason, "tool_use")
                self.assertEqual([(call.name, call.input) for call in calls], expected)
            messages = [*messages, {"role": "assistant", "content": reply.content}, {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": service.run_tool(call.name, call.input)} for call in calls]}]
            reply = self.client.messages.create(**self.options(messages, tools=tools, system=service.SYSTEM))
            self.assertEqual(reply.stop_reason, "end_turn")
            self.assertIn("69104" if question == service.PRODUCT else "7", reply.content[0].text)

    def test_a_choice_of_tool(self):
        reply = self.client.messages.create(**self.options("Hi", tools=message_tools("get_weather"), tool_choice={"type": "any"}))
        self.assertEqual(reply.stop_reason, "tool_use")

    def test_what_is_refused(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.client.messages.create(**self.options([]))
        self.assertEqual(caught.exception.body["type"], "error")
        self.assertEqual(caught.exception.body["error"]["type"], "invalid_request_error")
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.client.messages.create(**{**self.options(CAPITAL), "max_tokens": -1})
        self.assertIn("max_tokens", caught.exception.body["error"]["message"])


if __name__ == "__main__":
    unittest.main()
