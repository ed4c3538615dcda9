"""A Python client of gRPC, made from proto/ when the test runs, as its users make theirs; and reflection, for those who have no proto/."""

import unittest

import grpc
import grpc_client
import service
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class GrpcTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages, stubs = grpc_client.modules("generate")
        channel = grpc_client.channel()
        cls.addClassCleanup(channel.close)
        cls.generator = stubs.GeneratorStub(channel)

    def generate(self, **fields):
        request = self.messages.GenerateRequest(**{"text": service.CAPITAL_PROMPT.removeprefix("<bos>"), "max_tokens": 40, **fields})
        return list(self.generator.Generate(request, timeout=service.TIMEOUT_SECONDS, metadata=grpc_client.metadata()))

    def test_a_prompt_goes_on(self):
        replies = self.generate()
        self.assertEqual("".join(reply.text for reply in replies), service.CAPITAL_ANSWER)
        self.assertEqual(replies[-1].finish_reason, self.messages.FINISH_REASON_STOP)
        self.assertGreater(replies[-1].usage.prompt_tokens, 0)
        self.assertEqual(replies[-1].usage.generated_tokens, sum(len(reply.tokens) for reply in replies))
        self.assertGreater(len(replies), 2, "it comes in pieces")

    def test_options(self):
        replies = self.generate(stop=[" is"], logprobs=3)
        self.assertEqual("".join(reply.text for reply in replies), "The capital of Norway")
        for reply in replies:
            for token in reply.tokens:
                self.assertLessEqual(token.logprob, 0)
        self.assertEqual(self.generate(max_tokens=2)[-1].finish_reason, self.messages.FINISH_REASON_LENGTH)
        sampled = [self.generate(sampling=self.messages.Sampling(temperature=1.5, seed=5)) for _ in range(2)]
        self.assertEqual(*("".join(reply.text for reply in replies) for replies in sampled))

    def test_what_is_refused(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.generate(sampling=self.messages.Sampling(temperature=100))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("temperature", caught.exception.details())

    def test_a_client_that_leaves(self):
        for _ in range(4):
            call = self.generator.Generate(self.messages.GenerateRequest(text="<|turn>user\n", max_tokens=2000, ignore_eos=True),
                                           metadata=grpc_client.metadata())
            next(call)
            call.cancel()
        self.assertEqual("".join(reply.text for reply in self.generate()), service.CAPITAL_ANSWER)

    def test_status(self):
        status = self.generator.GetStatus(self.messages.GetStatusRequest(), timeout=service.TIMEOUT_SECONDS, metadata=grpc_client.metadata())
        self.assertTrue(status.model_digest)
        self.assertGreater(status.max_context, 0)
        self.assertTrue(all(worker.connected for worker in status.workers))


class ReflectionTest(unittest.TestCase):
    def test_a_client_without_the_files(self):
        with grpc_client.channel() as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            self.assertIn("coterie.v1.Generator", database.get_services())
            pool = descriptor_pool.DescriptorPool(database)
            method = pool.FindServiceByName("coterie.v1.Generator").FindMethodByName("Generate")
            request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            generate = channel.unary_stream("/coterie.v1.Generator/Generate", request.SerializeToString, reply.FromString)
            replies = generate(request(text=service.CAPITAL_PROMPT.removeprefix("<bos>")), timeout=service.TIMEOUT_SECONDS,
                               metadata=grpc_client.metadata())
            self.assertEqual("".join(reply.text for reply in replies), service.CAPITAL_ANSWER)


if __name__ == "__main__":
    unittest.main()
