"""OpenAI's Python library, unmodified: what is refused arrives as the exception that its users catch."""

import json
import unittest

import openai
import service
from service import CAPITAL, user


class ErrorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = service.openai_client()
        cls.addClassCleanup(cls.client.close)

    def refused(self, exception, **options):
        with self.assertRaises(exception) as caught:
            self.client.chat.completions.create(**{"model": service.model(), "messages": user(CAPITAL), **options})
        return caught.exception

    def test_fields_at_fault_are_named(self):
        for param, options in (
            ("temperature", {"temperature": 100}),
            ("top_p", {"top_p": 2}),
            ("n", {"n": 0}),
            ("max_tokens", {"max_tokens": -1}),
            ("top_logprobs", {"logprobs": True, "top_logprobs": 1000}),
            ("messages", {"messages": []}),
            ("messages[0].role", {"messages": [{"role": "critic", "content": "x"}]}),
            ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
            ("messages[0].content[0].type", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
            ("tools[0].function.name", {"tools": [{"type": "function", "function": {"description": "nameless"}}]}),
            ("tool_choice", {"tool_choice": "required"}),
            ("response_format.json_schema.schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}}),
        ):
            with self.subTest(param):
                error = self.refused(openai.BadRequestError, **options)
                self.assertEqual((error.status_code, error.type), (400, "invalid_request_error"))
                self.assertTrue((error.param or "").startswith(param), error.param)
                self.assertTrue(error.body["message"])
                self.assertEqual(set(error.body), {"message", "type", "param", "code"})

    def test_a_prompt_that_is_too_long(self):
        error = self.refused(openai.BadRequestError, messages=user("word " * 200_000))
        self.assertEqual(error.code, "context_length_exceeded")

    def test_a_model_that_is_not_there(self):
        """There is one model, and agents insist on the names of others: it answers, and says who it is."""
        messages = [{"role": "user", "content": service.CAPITAL}]
        self.assertEqual(self.client.chat.completions.create(model="nobody", messages=messages, max_tokens=5).model, service.model())
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("nobody")

    def test_a_wrong_key(self):
        """Where the service asks for keys at all."""
        with service.openai_client(api_key="wrong") as client:
            try:
                client.models.list()
            except openai.AuthenticationError as error:
                self.assertEqual((error.status_code, error.code), (401, "invalid_api_key"))
            else:
                self.skipTest("the service asks for no keys")

    def test_errors_in_a_stream_that_has_not_begun(self):
        self.refused(openai.BadRequestError, stream=True, temperature=100)

    def test_what_is_no_json(self):
        for body in (b"{", b"[]", b'"x"', b"\xff", b"{}", b'{"messages": 5}'):
            status, _, reply = service.http("POST", "/v1/chat/completions", body)
            self.assertEqual(status, 400, body)
            self.assertEqual(json.loads(reply)["error"]["type"], "invalid_request_error")

    def test_places_and_methods_that_are_not_there(self):
        for method, path, expected in (("GET", "/v1/nothing", 404), ("POST", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405),
                                       ("DELETE", "/v1/models", 405)):
            status, headers, reply = service.http(method, path)
            self.assertEqual(status, expected, (method, path))
            self.assertIn("application/json", headers["Content-Type"])
            self.assertTrue(json.loads(reply)["error"]["message"])


if __name__ == "__main__":
    unittest.main()
