"""OpenAI's Python library, unmodified: models, completions, responses."""

import json
import unittest

import openai
import pydantic
import service
from service import CAPITAL, CAPITAL_ANSWER, CAPITAL_PROMPT, PERSON, PERSON_FIELDS, PERSON_SCHEMA, response_tools


class Person(pydantic.BaseModel):
    name: str
    age: int
    city: str


class EndpointTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = service.openai_client()
        cls.addClassCleanup(cls.client.close)


class ModelsTest(EndpointTest):
    def test_the_model_is_listed(self):
        models = self.client.models.list().data
        self.assertIn(service.model(), [model.id for model in models])
        self.assertEqual({model.object for model in models}, {"model"})

    def test_the_model_is_found_by_name(self):
        self.assertEqual(self.client.models.retrieve(service.model()).id, service.model())


class CompletionsTest(EndpointTest):
    def complete(self, prompt=CAPITAL_PROMPT, **options):
        return self.client.completions.create(**{"model": service.model(), "prompt": prompt, "temperature": 0, "max_tokens": 40, **options})

    def test_a_text_goes_on(self):
        reply = self.complete()
        self.assertEqual(reply.object, "text_completion")
        self.assertEqual((reply.choices[0].text, reply.choices[0].finish_reason), (CAPITAL_ANSWER, "stop"))
        self.assertEqual(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens)

    def test_a_stream_says_the_same(self):
        with self.complete(stream=True) as chunks:
            choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
        self.assertEqual("".join(choice.text for choice in choices), CAPITAL_ANSWER)
        self.assertEqual(choices[-1].finish_reason, "stop")

    def test_several_prompts(self):
        reply = self.complete([CAPITAL_PROMPT, CAPITAL_PROMPT.replace("Norway", "France")])
        self.assertEqual([choice.text for choice in reply.choices], [CAPITAL_ANSWER, "The capital of France is Paris."])
        self.assertEqual([choice.index for choice in reply.choices], [0, 1])

    def test_logprobs(self):
        logprobs = self.complete(logprobs=2).choices[0].logprobs
        self.assertEqual("".join(logprobs.tokens), CAPITAL_ANSWER)
        self.assertEqual(logprobs.text_offset[0], 0)
        for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
            self.assertEqual(logprob, max(top.values()))
            self.assertIn(token, top)

    def test_a_stop_string_and_a_length(self):
        choice = self.complete(stop=" is").choices[0]
        self.assertEqual((choice.text, choice.finish_reason), ("The capital of Norway", "stop"))
        self.assertEqual(self.complete(max_tokens=2).choices[0].finish_reason, "length")


class ResponsesTest(EndpointTest):
    def respond(self, asked, **options):
        return self.client.responses.create(**{"model": service.model(), "input": asked, "temperature": 0, **options})

    def test_an_answer(self):
        for asked in (CAPITAL, [{"role": "user", "content": CAPITAL}],
                      [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": CAPITAL}]}]):
            reply = self.respond(asked, instructions=service.SYSTEM)
            self.assertEqual((reply.object, reply.status), ("response", "completed"))
            self.assertEqual(reply.output_text, CAPITAL_ANSWER)
        self.assertGreater(reply.usage.input_tokens, 0)
        self.assertEqual(reply.usage.total_tokens, reply.usage.input_tokens + reply.usage.output_tokens)

    def test_the_events_of_a_stream(self):
        with self.respond(CAPITAL, stream=True) as events:
            events = list(events)
        kinds = [event.type for event in events]
        self.assertEqual(kinds[0], "response.created")
        self.assertEqual(kinds[-1], "response.completed")
        for first, second in (("response.output_item.added", "response.content_part.added"),
                              ("response.content_part.added", "response.output_text.delta"),
                              ("response.output_text.delta", "response.output_text.done"),
                              ("response.output_text.done", "response.content_part.done"),
                              ("response.content_part.done", "response.output_item.done")):
            self.assertLess(kinds.index(first), kinds.index(second))
        self.assertEqual("".join(event.delta for event in events if event.type == "response.output_text.delta"), CAPITAL_ANSWER)
        self.assertEqual(events[-1].response.output_text, CAPITAL_ANSWER)
        numbers = [event.sequence_number for event in events]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))

    def test_the_library_puts_a_stream_together(self):
        with self.client.responses.stream(model=service.model(), input=service.TWO_CITIES, temperature=0, instructions=service.SYSTEM,
                                          tools=response_tools("calculator", "get_weather")) as stream:
            for _ in stream:
                pass
            final = stream.get_final_response()
        self.assertEqual([json.loads(item.arguments) for item in final.output if item.type == "function_call"],
                         [{"city": "Oslo"}, {"city": "Paris"}])

    def test_tools_to_the_answer(self):
        for effort in ("none", "high"):
            items, tools = [{"role": "user", "content": service.PRODUCT}], response_tools("calculator", "get_weather")
            reply = self.respond(items, tools=tools, instructions=service.SYSTEM, reasoning={"effort": effort})
            calls = [item for item in reply.output if item.type == "function_call"]
            self.assertEqual([(call.name, json.loads(call.arguments)) for call in calls], [("calculator", {"expression": "1234 * 56"})])
            self.assertEqual(any(item.type == "reasoning" for item in reply.output), effort == "high")
            items += reply.output
            items += [{"type": "function_call_output", "call_id": call.call_id,
                       "output": service.run_tool(call.name, json.loads(call.arguments))} for call in calls]
            reply = self.respond(items, tools=tools, instructions=service.SYSTEM, reasoning={"effort": effort})
            self.assertIn("69104", reply.output_text)

    def test_a_schema(self):
        schema = {key: value for key, value in PERSON_SCHEMA.items() if key != "additionalProperties"}
        instructions = "Reply with JSON. Schema: " + json.dumps(schema, separators=(",", ":"))
        reply = self.respond(PERSON, instructions=instructions,
                             text={"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON_SCHEMA}})
        self.assertEqual(json.loads(reply.output_text), PERSON_FIELDS)
        parsed = self.client.responses.parse(model=service.model(), input=PERSON, instructions=instructions, text_format=Person, temperature=0)
        self.assertEqual(parsed.output_parsed, Person(**PERSON_FIELDS))

    def test_a_length(self):
        reply = self.respond(service.STORY, max_output_tokens=16)
        self.assertEqual((reply.status, reply.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def test_what_is_refused(self):
        with self.assertRaises(openai.BadRequestError):
            self.respond(CAPITAL, temperature=100)
        with self.assertRaises(openai.BadRequestError):
            self.respond([{"type": "message", "role": "critic", "content": "x"}])


if __name__ == "__main__":
    unittest.main()
