"""OpenAI's Python library, unmodified: chat completions, whole and in a stream."""

import json
import unittest

import pydantic
import service
from service import CAPITAL, CAPITAL_ANSWER, LIST, LIST_ANSWER, PERSON, PERSON_FIELDS, PERSON_SCHEMA, STORY, chat_tools, user


class Person(pydantic.BaseModel):
    name: str
    age: int
    city: str


PERSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON_SCHEMA}}
PERSON_SYSTEM = "Answer only with JSON that fits this schema: " + json.dumps(
    {key: value for key, value in PERSON_SCHEMA.items() if key != "additionalProperties"}, separators=(",", ":"))


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = service.openai_client()
        cls.addClassCleanup(cls.client.close)

    def chat(self, messages, **options):
        return self.client.chat.completions.create(**{"model": service.model(), "messages": messages, "temperature": 0, **options})

    def stream(self, messages, **options):
        with self.chat(messages, stream=True, **options) as chunks:
            return list(chunks)


class TextTest(ChatTest):
    def test_an_answer(self):
        reply = self.chat(user(CAPITAL))
        self.assertEqual(reply.object, "chat.completion")
        self.assertEqual(reply.model, service.model())
        self.assertTrue(reply.id)
        self.assertGreater(reply.created, 0)
        self.assertEqual(len(reply.choices), 1)
        choice = reply.choices[0]
        self.assertEqual((choice.index, choice.finish_reason), (0, "stop"))
        self.assertEqual((choice.message.role, choice.message.content), ("assistant", CAPITAL_ANSWER))
        self.assertFalse(choice.message.tool_calls)
        usage = reply.usage
        self.assertGreater(usage.prompt_tokens, 0)
        self.assertGreater(usage.completion_tokens, 0)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_a_stream_says_the_same(self):
        chunks = self.stream(user(CAPITAL))
        self.assertEqual({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        deltas = [chunk.choices[0] for chunk in chunks if chunk.choices]
        self.assertEqual(deltas[0].delta.role, "assistant")
        self.assertEqual("".join(choice.delta.content or "" for choice in deltas), CAPITAL_ANSWER)
        self.assertEqual([choice.finish_reason for choice in deltas if choice.finish_reason], ["stop"])
        self.assertEqual(deltas[-1].finish_reason, "stop")
        self.assertGreater(sum(bool(choice.delta.content) for choice in deltas), 2, "it comes in pieces")
        self.assertFalse(any(chunk.usage for chunk in chunks), "nobody asked for it")

    def test_usage_in_a_stream_comes_last(self):
        whole = self.chat(user(CAPITAL)).usage
        chunks = self.stream(user(CAPITAL), stream_options={"include_usage": True})
        self.assertEqual(chunks[-1].choices, [])
        self.assertFalse(any(chunk.usage for chunk in chunks[:-1]))
        usage = chunks[-1].usage
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens), (whole.prompt_tokens, whole.completion_tokens))

    def test_the_library_puts_a_stream_together(self):
        with self.client.chat.completions.stream(model=service.model(), messages=user(LIST), temperature=0) as stream:
            pieces = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()
        self.assertEqual("".join(pieces), LIST_ANSWER)
        self.assertEqual(final.choices[0].message.content, LIST_ANSWER)

    def test_a_conversation_goes_on(self):
        reply = self.chat([{"role": "developer", "content": service.SYSTEM}, {"role": "user", "content": "Hi"},
                           {"role": "assistant", "content": [{"type": "text", "text": "Hello! How can I help you?"}]},
                           {"role": "user", "content": [{"type": "text", "text": CAPITAL}]}])
        self.assertEqual(reply.choices[0].message.content, CAPITAL_ANSWER)

    def test_a_conversation_that_goes_on_is_remembered(self):
        """Whatever is cached: the answers are the same, and some of the prompt need not be computed again."""
        first = user("Read this: " + " ".join(f"The red chair {i} is in the kitchen." for i in range(40)) + "\nWhere is the red chair 7?")
        answer = self.chat(first)
        longer = [*first, {"role": "assistant", "content": answer.choices[0].message.content}, {"role": "user", "content": CAPITAL}]
        replies = [self.chat(longer) for _ in range(2)]
        self.assertEqual(*(reply.choices[0].message.content for reply in replies))
        for reply in replies:
            cached = reply.usage.prompt_tokens_details.cached_tokens
            self.assertGreater(cached, 0)
            self.assertLess(cached, reply.usage.prompt_tokens)

    def test_a_length(self):
        for name in ("max_tokens", "max_completion_tokens"):
            reply = self.chat(user(STORY), **{name: 5})
            self.assertEqual(reply.choices[0].finish_reason, "length")
            self.assertEqual(reply.usage.completion_tokens, 5)

    def test_a_stop_string(self):
        for stop in ("Paris", ["nowhere", "Paris"]):
            choice = self.chat(user(LIST), stop=stop).choices[0]
            self.assertEqual((choice.message.content, choice.finish_reason), ("- Oslo\n- ", "stop"))
        pieces = [chunk.choices[0].delta.content or "" for chunk in self.stream(user(LIST), stop="Paris") if chunk.choices]
        self.assertEqual("".join(pieces), "- Oslo\n- ", "no part of it slips out")

    def test_several_choices(self):
        reply = self.chat(user(STORY), n=3, temperature=1, seed=1, max_tokens=60)
        self.assertEqual([choice.index for choice in reply.choices], [0, 1, 2])
        self.assertGreater(len({choice.message.content for choice in reply.choices}), 1)
        texts = {}
        for chunk in self.stream(user(STORY), n=3, temperature=1, seed=1, max_tokens=60):
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
        self.assertEqual(texts, {choice.index: choice.message.content for choice in reply.choices})

    def test_a_seed(self):
        def story(seed):
            return self.chat(user(STORY), temperature=1, seed=seed).choices[0].message.content
        self.assertEqual(story(7), story(7))
        self.assertGreater(len({story(seed) for seed in range(4)}), 1)

    def test_logprobs(self):
        choice = self.chat(user(CAPITAL), logprobs=True, top_logprobs=3).choices[0]
        tokens = choice.logprobs.content
        self.assertEqual(b"".join(bytes(token.bytes) for token in tokens).decode(), CAPITAL_ANSWER)
        for token in tokens:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.top_logprobs[0].token, token.token, "greedy takes the likeliest")
            logprobs = [top.logprob for top in token.top_logprobs]
            self.assertEqual(logprobs, sorted(logprobs, reverse=True))
        streamed = [token for chunk in self.stream(user(CAPITAL), logprobs=True, top_logprobs=3) if chunk.choices and chunk.choices[0].logprobs
                    for token in chunk.choices[0].logprobs.content or []]
        self.assertEqual([token.token for token in streamed], [token.token for token in tokens])

    def test_a_bias(self):
        the = service.token_id("The")
        self.assertFalse(self.chat(user(CAPITAL), logit_bias={str(the): -100}).choices[0].message.content.startswith("The"))
        self.assertEqual(self.chat(user("Hi"), logit_bias={str(the): 100}, max_tokens=3).choices[0].message.content, "TheTheThe")

    def test_a_client_that_leaves_does_no_harm(self):
        for _ in range(8):
            chunks = self.chat(user(STORY), stream=True, max_tokens=2000, extra_body={"ignore_eos": True, "rails": False})
            next(iter(chunks))
            chunks.close()
        self.assertEqual(self.chat(user(CAPITAL)).choices[0].message.content, CAPITAL_ANSWER)


class ThinkingTest(ChatTest):
    def test_reasoning_stands_apart(self):
        for asked in ({"reasoning_effort": "high"}, {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}):
            reply = self.chat(user(CAPITAL), **asked)
            message = reply.choices[0].message
            self.assertEqual(message.content, CAPITAL_ANSWER)
            self.assertIn("no tool", message.reasoning_content)
            self.assertGreater(reply.usage.completion_tokens_details.reasoning_tokens, 0)

    def test_reasoning_comes_first_in_a_stream(self):
        kinds, reasoning, content = [], "", ""
        for chunk in self.stream(user(CAPITAL), reasoning_effort="high"):
            delta = chunk.choices[0].delta if chunk.choices else None
            more = getattr(delta, "reasoning_content", None)
            if more:
                kinds.append("reasoning")
                reasoning += more
            if delta and delta.content:
                kinds.append("content")
                content += delta.content
        self.assertEqual(kinds, sorted(kinds, reverse=True))
        self.assertIn("no tool", reasoning)
        self.assertEqual(content, CAPITAL_ANSWER)

    def test_none_is_none(self):
        message = self.chat(user(CAPITAL), reasoning_effort="none").choices[0].message
        self.assertFalse(getattr(message, "reasoning_content", None))


class JsonTest(ChatTest):
    def test_a_schema(self):
        for thinking in ("none", "high"):
            reply = self.chat(user(PERSON, PERSON_SYSTEM), response_format=PERSON_FORMAT, reasoning_effort=thinking)
            self.assertEqual(json.loads(reply.choices[0].message.content), PERSON_FIELDS)

    def test_a_schema_that_the_prompt_does_not_name(self):
        """The model would answer in a sentence; what it says has the right form, whatever it means."""
        for temperature in (0, 1):
            reply = self.chat(user(PERSON), response_format=PERSON_FORMAT, temperature=temperature, seed=3, max_tokens=300)
            if reply.choices[0].finish_reason == "stop":
                self.assertEqual(sorted(json.loads(reply.choices[0].message.content)), ["age", "city", "name"])

    def test_a_class(self):
        reply = self.client.chat.completions.parse(model=service.model(), messages=user(PERSON, PERSON_SYSTEM), response_format=Person, temperature=0)
        self.assertEqual(reply.choices[0].message.parsed, Person(**PERSON_FIELDS))

    def test_any_object(self):
        reply = self.chat(user(PERSON, PERSON_SYSTEM), response_format={"type": "json_object"})
        self.assertEqual(json.loads(reply.choices[0].message.content), PERSON_FIELDS)

    def test_a_stream(self):
        chunks = self.stream(user(PERSON, PERSON_SYSTEM), response_format=PERSON_FORMAT)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(json.loads(text), PERSON_FIELDS)


class ToolsTest(ChatTest):
    def calls(self, question, names=("calculator", "get_weather"), **options):
        choice = self.chat(user(question, service.SYSTEM), tools=chat_tools(*names), **options).choices[0]
        return choice, [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]

    def test_a_call(self):
        choice, calls = self.calls(service.PRODUCT)
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertEqual(calls, [("calculator", {"expression": "1234 * 56"})])
        self.assertEqual(choice.message.tool_calls[0].type, "function")
        self.assertFalse(choice.message.content)

    def test_calls_beside_each_other(self):
        choice, calls = self.calls(service.TWO_CITIES)
        self.assertEqual(calls, [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Paris"})])
        self.assertEqual(len({call.id for call in choice.message.tool_calls}), 2)
        _, calls = self.calls(service.TWO_TOOLS)
        self.assertEqual(calls, [("calculator", {"expression": "12 * 7"}), ("get_weather", {"city": "Bergen"})])

    def test_one_call_at_a_time(self):
        _, calls = self.calls(service.TWO_CITIES, parallel_tool_calls=False)
        self.assertEqual(calls, [("get_weather", {"city": "Oslo"})])

    def test_calls_in_a_stream(self):
        for thinking in ("none", "high"):
            calls, finish = {}, []
            for chunk in self.stream(user(service.TWO_TOOLS, service.SYSTEM), tools=chat_tools("calculator", "get_weather"),
                                     reasoning_effort=thinking):
                finish += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
                for piece in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                    call = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""})
                    call["arguments"] += piece.function.arguments or ""
            self.assertEqual(finish, ["tool_calls"])
            self.assertEqual([(call["name"], json.loads(call["arguments"])) for _, call in sorted(calls.items())],
                             [("calculator", {"expression": "12 * 7"}), ("get_weather", {"city": "Bergen"})])
            self.assertEqual(len({call["id"] for call in calls.values()}), 2)

    def test_a_choice_of_tool(self):
        _, calls = self.calls(service.PRODUCT, tool_choice="none")
        self.assertEqual(calls, [])
        _, calls = self.calls("Hi", tool_choice="required")
        self.assertGreaterEqual(len(calls), 1)
        _, calls = self.calls(service.PRODUCT, tool_choice={"type": "function", "function": {"name": "get_weather"}})
        self.assertEqual({name for name, _ in calls}, {"get_weather"})
        for _, arguments in calls:
            self.assertEqual(list(arguments), ["city"])

    def test_to_the_answer(self):
        for thinking in ("none", "high"):
            messages = user(service.PRODUCT, service.SYSTEM)
            for _ in range(3):
                message = self.chat(messages, tools=chat_tools("calculator", "get_weather"), reasoning_effort=thinking).choices[0].message
                if not message.tool_calls:
                    break
                messages.append(message)  # as the library gives it
                messages += [{"role": "tool", "tool_call_id": call.id, "content": service.run_tool(
                    call.function.name, json.loads(call.function.arguments))} for call in message.tool_calls]
            self.assertIn("69104", message.content)
            self.assertEqual([m["role"] if isinstance(m, dict) else m.role for m in messages], ["system", "user", "assistant", "tool"])

    def test_results_as_parts_and_in_another_order(self):
        choice, _ = self.calls(service.TWO_TOOLS)
        first, second = choice.message.tool_calls
        reply = self.chat([*user(service.TWO_TOOLS, service.SYSTEM), choice.message,
                           {"role": "tool", "tool_call_id": second.id, "content": [{"type": "text", "text": '{"condition": "rainy", '},
                                                                                   {"type": "text", "text": '"temperature": 12}'}]},
                           {"role": "tool", "tool_call_id": first.id, "content": "84"}],
                          tools=chat_tools("calculator", "get_weather"))
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertTrue(reply.choices[0].message.content)


if __name__ == "__main__":
    unittest.main()
