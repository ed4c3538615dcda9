"""OpenAI's asynchronous library, unmodified: many streams at once, all answered, each as if it were alone."""

import asyncio
import unittest

import service

STREAMS = 50
PAIRS = [(12, 40), (900, 7), (55, 54), (3, 333), (76, 41), (210, 120), (8, 9), (640, 640 - 1), (1, 2), (99, 101)]


class ConcurrencyTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = service.async_openai_client()
        self.addAsyncCleanup(self.client.close)
        self.model = service.model()

    def ask(self, pair, **options):
        return self.client.chat.completions.create(
            model=self.model, messages=service.user(f"Which is larger, {pair[0]} or {pair[1]}?"), temperature=0, **options)

    async def streamed(self, pair):
        text, finish = "", None
        async for chunk in await self.ask(pair, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        return text, finish

    async def test_streams_do_not_disturb_each_other(self):
        alone = {pair: (await self.ask(pair)).choices[0].message.content for pair in PAIRS}
        answers = await asyncio.gather(*(self.streamed(PAIRS[i % len(PAIRS)]) for i in range(STREAMS)))
        self.assertEqual(answers, [(alone[PAIRS[i % len(PAIRS)]], "stop") for i in range(STREAMS)])

    async def test_some_leave(self):
        async def leave(pair):
            async with await self.ask(pair, stream=True) as chunks:
                async for _ in chunks:
                    return

        stay = [asyncio.create_task(self.streamed(pair)) for pair in PAIRS]
        await asyncio.gather(*(leave(PAIRS[i % len(PAIRS)]) for i in range(STREAMS)))
        for _, finish in await asyncio.gather(*stay):
            self.assertEqual(finish, "stop")


if __name__ == "__main__":
    unittest.main()
