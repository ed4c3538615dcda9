"""A Python client of gRPC: conversations."""

import json
import unittest

import grpc
import grpc_client
import service
from service import CAPITAL, CAPITAL_ANSWER, FUNCTIONS, PERSON, PERSON_FIELDS, PERSON_SCHEMA


class Answer:
    """The replies to one request, put together."""

    def __init__(self, replies):
        self.reasoning, self.content, self.calls, self.ended, self.broken, self.finish = "", "", {}, [], [], {}
        self.num_replies, self.usage = 0, None
        for reply in replies:
            self.num_replies += 1
            for part in reply.parts:
                self._take(part)
            if reply.finish_reason:
                self.finish[reply.choice], self.usage = reply.finish_reason, reply.usage

    def _take(self, part):
        kind = part.WhichOneof("part")
        if kind == "reasoning":
            self.reasoning += part.reasoning
        elif kind == "content":
            self.content += part.content
        elif kind == "call_begin":
            self.calls[part.call_begin.index] = {"id": part.call_begin.id, "name": part.call_begin.name, "json": ""}
        elif kind == "call_arguments":
            self.calls[part.call_arguments.index]["json"] += part.call_arguments.json
        elif kind == "call_end":
            self.ended.append(part.call_end)
        elif kind == "broken_call":
            self.broken.append(part.broken_call.text)

    def named(self):
        return [(call["name"], json.loads(call["json"])) for _, call in sorted(self.calls.items())]


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pb, stubs = grpc_client.modules("chat")
        cls.generate, _ = grpc_client.modules("generate")
        channel = grpc_client.channel()
        cls.addClassCleanup(channel.close)
        cls.stub = stubs.ChatStub(channel)

    def message(self, role, content="", **fields):
        return self.pb.ChatMessage(role=self.pb.ChatMessage.Role.Value("ROLE_" + role), content=content, **fields)

    def asked(self, question, system=service.SYSTEM):
        return [self.message("SYSTEM", system), self.message("USER", question)]

    def tools(self, *names):
        return [self.pb.Tool(name=name, description=FUNCTIONS[name][0], parameters_json=json.dumps(FUNCTIONS[name][1])) for name in names]

    def chat(self, messages, **fields):
        request = self.pb.ChatRequest(messages=messages, **{"max_tokens": 300, **fields})
        return Answer(self.stub.Chat(request, timeout=service.TIMEOUT_SECONDS, metadata=grpc_client.metadata()))

    def test_an_answer(self):
        answer = self.chat([self.message("USER", CAPITAL)])
        self.assertEqual((answer.reasoning, answer.content), ("", CAPITAL_ANSWER))
        self.assertEqual(answer.finish, {0: self.generate.FINISH_REASON_STOP})
        self.assertGreater(answer.num_replies, 2, "it comes in pieces")
        self.assertGreater(answer.usage.prompt_tokens, 0)

    def test_thinking(self):
        answer = self.chat([self.message("USER", CAPITAL)], thinking=True)
        self.assertIn("no tool", answer.reasoning)
        self.assertEqual(answer.content, CAPITAL_ANSWER)
        self.assertGreater(answer.usage.reasoning_tokens, 0)

    def test_tools_to_the_answer(self):
        for question, expected, fact in (
            (service.PRODUCT, [("calculator", {"expression": "1234 * 56"})], "69104"),
            (service.TWO_CITIES, [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Paris"})], "7"),
        ):
            for thinking in (False, True):
                messages, tools = self.asked(question), self.tools("calculator", "get_weather")
                answer = self.chat(messages, tools=tools, thinking=thinking)
                self.assertEqual(answer.named(), expected)
                self.assertEqual(answer.ended, list(range(len(expected))))
                self.assertEqual(answer.finish, {0: self.generate.FINISH_REASON_TOOL_CALLS})
                calls = [answer.calls[index] for index in sorted(answer.calls)]
                messages.append(self.message("ASSISTANT", answer.content, reasoning=answer.reasoning, tool_calls=[
                    self.pb.ToolCall(id=call["id"], name=call["name"], arguments_json=call["json"]) for call in calls]))
                messages += [self.message("TOOL", service.run_tool(call["name"], json.loads(call["json"])), tool_call_id=call["id"])
                             for call in calls]
                answer = self.chat(messages, tools=tools, thinking=thinking)
                self.assertEqual(answer.finish, {0: self.generate.FINISH_REASON_STOP})
                self.assertIn(fact, answer.content)

    def test_a_choice_of_tool(self):
        tools, kinds = self.tools("calculator", "get_weather"), self.pb.ToolChoice
        self.assertEqual(self.chat(self.asked(service.PRODUCT), tools=tools, tool_choice=kinds(kind=kinds.NONE)).calls, {})
        self.assertTrue(self.chat(self.asked("Hi"), tools=tools, tool_choice=kinds(kind=kinds.REQUIRED)).calls)
        answer = self.chat(self.asked(service.PRODUCT), tools=tools, tool_choice=kinds(kind=kinds.NAMED, name="get_weather"))
        self.assertEqual({name for name, _ in answer.named()}, {"get_weather"})
        answer = self.chat(self.asked(service.TWO_CITIES), tools=tools, single_tool_call=True)
        self.assertEqual(answer.named(), [("get_weather", {"city": "Oslo"})])

    def test_json_after_a_schema(self):
        kind = self.generate.ResponseFormat
        response_format = kind(kind=kind.JSON_SCHEMA, schema_json=json.dumps(PERSON_SCHEMA))
        schema = {key: value for key, value in PERSON_SCHEMA.items() if key != "additionalProperties"}
        system = "Answer only with JSON that fits this schema: " + json.dumps(schema, separators=(",", ":"))
        for thinking in (False, True):
            answer = self.chat(self.asked(PERSON, system), response_format=response_format, thinking=thinking)
            self.assertEqual(json.loads(answer.content), PERSON_FIELDS)

    def test_options(self):
        answer = self.chat([self.message("USER", service.LIST)], stop=["Paris"])
        self.assertEqual((answer.content, answer.finish), ("- Oslo\n- ", {0: self.generate.FINISH_REASON_STOP}))
        answer = self.chat([self.message("USER", service.STORY)], max_tokens=5)
        self.assertEqual(answer.finish, {0: self.generate.FINISH_REASON_LENGTH})
        answer = self.chat([self.message("USER", service.STORY)], num_choices=3, sampling=self.generate.Sampling(temperature=1, seed=1))
        self.assertEqual(sorted(answer.finish), [0, 1, 2])

    def test_what_is_refused(self):
        for messages, fields, said in (
            ([], {}, "messages"),
            ([self.pb.ChatMessage(content="x")], {}, "role"),
            ([self.message("USER", "x"), self.message("SYSTEM", "y")], {}, "system"),
            ([self.message("USER", "x")], {"sampling": self.generate.Sampling(temperature=100)}, "temperature"),
            ([self.message("USER", "x")], {"tools": [self.pb.Tool(name="f", parameters_json="{")]}, "parameters_json"),
            ([self.message("USER", "x")], {"num_choices": 1000}, "num_choices"),
        ):
            with self.subTest(said), self.assertRaises(grpc.RpcError) as caught:
                self.chat(messages, **fields)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn(said, caught.exception.details())


if __name__ == "__main__":
    unittest.main()
