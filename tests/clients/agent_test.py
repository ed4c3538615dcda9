"""The OpenAI Agents SDK, unmodified: an agent asks, its tools run, and it ends with an answer, over either of OpenAI's two interfaces."""

import json
import unittest

import agents
import service


class AgentTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        agents.set_tracing_disabled(True)  # it would be sent to OpenAI
        self.client = service.async_openai_client()
        self.addAsyncCleanup(self.client.close)
        self.ran = []

    def agent(self, make_model, thinking=False):
        ran = self.ran

        @agents.function_tool
        def calculator(expression: str) -> str:
            """Evaluates an arithmetic expression.

            Args:
                expression: Expression to evaluate
            """
            ran.append(("calculator", expression))
            return service.run_tool("calculator", {"expression": expression})

        @agents.function_tool
        def set_note(key: str, value: str) -> str:
            """Stores a value under a key.

            Args:
                key: The key
                value: What to store
            """
            ran.append(("set_note", key, value))
            return json.dumps({"ok": True})

        @agents.function_tool
        def get_weather(city: str) -> str:
            """Current weather of a city.

            Args:
                city: Name of the city
            """
            ran.append(("get_weather", city))
            return service.run_tool("get_weather", {"city": city})

        effort = {"reasoning": {"effort": "high"}} if thinking else {}
        return agents.Agent(name="assistant", instructions=service.SYSTEM, tools=[calculator, set_note, get_weather],
                            model=make_model(model=service.model(), openai_client=self.client),
                            model_settings=agents.ModelSettings(temperature=0, **effort))

    async def check_both(self, check):
        for make_model in (agents.OpenAIChatCompletionsModel, agents.OpenAIResponsesModel):
            with self.subTest(make_model.__name__):
                self.ran.clear()
                await check(make_model)

    async def test_a_chain_of_tools(self):
        async def check(make_model):
            result = await agents.Runner.run(self.agent(make_model), service.CHAIN, max_turns=6)
            self.assertEqual(self.ran, [("calculator", "12 * 7"), ("set_note", "total_cost", "84")])
            self.assertIn("84", result.final_output)
            self.assertIn("total_cost", result.final_output)

        await self.check_both(check)

    async def test_tools_beside_each_other(self):
        async def check(make_model):
            await agents.Runner.run(self.agent(make_model), service.TWO_CITIES, max_turns=4)
            self.assertEqual(sorted(self.ran), [("get_weather", "Oslo"), ("get_weather", "Paris")])

        await self.check_both(check)

    async def test_with_thinking(self):
        async def check(make_model):
            result = await agents.Runner.run(self.agent(make_model, thinking=True), service.PRODUCT, max_turns=4)
            self.assertEqual(self.ran, [("calculator", "1234 * 56")])
            self.assertIn("69104", result.final_output)

        await self.check_both(check)

    async def test_a_stream(self):
        async def check(make_model):
            result = agents.Runner.run_streamed(self.agent(make_model), service.PRODUCT, max_turns=4)
            pieces = [event.data.delta async for event in result.stream_events()
                      if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"]
            self.assertEqual(self.ran, [("calculator", "1234 * 56")])
            self.assertEqual("".join(pieces), result.final_output)
            self.assertIn("69104", result.final_output)

        await self.check_both(check)

    async def test_a_session_of_several_questions(self):
        async def check(make_model):
            agent, session = self.agent(make_model), agents.SQLiteSession("one")
            await agents.Runner.run(agent, service.PRODUCT, session=session, max_turns=4)
            result = await agents.Runner.run(agent, "And 12 * 7?", session=session, max_turns=4)
            self.assertEqual([call[0] for call in self.ran], ["calculator", "calculator"])
            self.assertIn("84", result.final_output)

        await self.check_both(check)


if __name__ == "__main__":
    unittest.main()
