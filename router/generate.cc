// generate: a client of the router for the command line. Streams the answer to stdout, and to
// stderr what it took and who computed it.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ops/process/clock.h"
#include "ops/process/flags.h"
#include "proto/generate.grpc.pb.h"

ABSL_FLAG(std::string, router, "127.0.0.1:9000", "Address of the router.");
ABSL_FLAG(std::string, prompt, "", "The prompt, as text.");
ABSL_FLAG(std::vector<std::string>, tokens, {},
          "The prompt, as token ids: 2,17,99. Instead of --prompt.");
ABSL_FLAG(uint32_t, max_tokens, 64, "Tokens to generate at most.");
ABSL_FLAG(double, temperature, 0, "0: greedy.");
ABSL_FLAG(uint32_t, top_k, 0, "Sample among the k likeliest; 0: all.");
ABSL_FLAG(double, top_p, 1, "Sample among the likeliest that make up this probability.");
ABSL_FLAG(std::optional<uint64_t>, seed, std::nullopt,
          "Seed of the sampling; without one every call draws anew.");
ABSL_FLAG(bool, ignore_eos, false, "Go on past the model's stop tokens.");
ABSL_FLAG(bool, show_control_tokens, false,
          "Spell control tokens out, such as <|tool_call>, instead of leaving them out.");
ABSL_FLAG(bool, ids, false, "Print token ids instead of text.");
ABSL_FLAG(absl::Duration, timeout, absl::Seconds(120), "Deadline of the call.");

namespace coterie {
namespace {

v1::GenerateRequest RequestFromFlags() {
  v1::GenerateRequest request;
  const std::vector<std::string> tokens = absl::GetFlag(FLAGS_tokens);
  for (const std::string& token : tokens) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(token, &id))
      ExitWithUsageError("--tokens: \"" + token + "\" is not a number");
    request.mutable_tokens()->add_ids(id);
  }
  if (tokens.empty()) request.set_text(absl::GetFlag(FLAGS_prompt));
  request.set_max_tokens(absl::GetFlag(FLAGS_max_tokens));
  request.mutable_sampling()->set_temperature(static_cast<float>(absl::GetFlag(FLAGS_temperature)));
  request.mutable_sampling()->set_top_k(absl::GetFlag(FLAGS_top_k));
  request.mutable_sampling()->set_top_p(static_cast<float>(absl::GetFlag(FLAGS_top_p)));
  if (const std::optional<uint64_t> seed = absl::GetFlag(FLAGS_seed))
    request.mutable_sampling()->set_seed(*seed);
  request.set_ignore_eos(absl::GetFlag(FLAGS_ignore_eos));
  request.set_show_control_tokens(absl::GetFlag(FLAGS_show_control_tokens));
  return request;
}

void PrintReply(const v1::GenerateReply& reply) {
  if (absl::GetFlag(FLAGS_ids)) {
    for (const v1::GeneratedToken& token : reply.tokens()) std::printf("%d ", token.id());
  } else {
    std::fwrite(reply.text().data(), 1, reply.text().size(), stdout);
  }
  std::fflush(stdout);
}

void PrintUsage(const v1::GenerateReply& last) {
  const v1::Usage& usage = last.usage();
  // The first token is prefill's.
  const double decode_rate = usage.decode_seconds() > 0 && usage.generated_tokens() > 1
                                 ? (usage.generated_tokens() - 1) / usage.decode_seconds()
                                 : 0;
  const double prefill_rate =
      usage.prefill_seconds() > 0 ? usage.prompt_tokens() / usage.prefill_seconds() : 0;
  const std::string reason = last.has_stop_id() ? absl::StrCat("stop token ", last.stop_id())
                                                : v1::FinishReason_Name(last.finish_reason());
  std::fprintf(
      stderr, "\nfinished: %s; %u prompt tokens (%.1f a second), %u generated (%.1f a second)\n",
      reason.c_str(), usage.prompt_tokens(), prefill_rate, usage.generated_tokens(), decode_rate);
}

void PrintWorkers(v1::Generator::Stub& stub) {
  grpc::ClientContext context;
  v1::RouterStatus status;
  if (!stub.GetStatus(&context, {}, &status).ok()) return;
  uint64_t all = 0;
  for (const v1::WorkerStatus& worker : status.workers()) all += worker.pairs();
  for (const v1::WorkerStatus& worker : status.workers()) {
    std::fprintf(
        stderr, "expert worker %-22s %s  %5u experts  %8llu rows computed (%.1f %%)  %.3f s\n",
        worker.name().c_str(), worker.connected() ? "connected" : "gone     ", worker.num_experts(),
        static_cast<unsigned long long>(worker.pairs()),
        all == 0 ? 0.0 : 100.0 * static_cast<double>(worker.pairs()) / static_cast<double>(all),
        worker.compute_seconds());
  }
}

int Run() {
  auto stub = v1::Generator::NewStub(
      grpc::CreateChannel(absl::GetFlag(FLAGS_router), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(ToSystemClock(MonotonicNow() + absl::GetFlag(FLAGS_timeout)));
  const auto reader = stub->Generate(&context, RequestFromFlags());
  v1::GenerateReply reply, last;
  while (reader->Read(&reply)) {
    PrintReply(reply);
    last = reply;
  }
  if (const grpc::Status status = reader->Finish(); !status.ok()) {
    std::fprintf(
        stderr, "\n%s\n",
        absl::StrCat("generate: ",
                     absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())),
                     ": ", status.error_message())
            .c_str());
    return 1;
  }
  PrintUsage(last);
  PrintWorkers(*stub);
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv,
                            "Sends one prompt to a Coterie router and streams the answer.");
  if (absl::GetFlag(FLAGS_prompt).empty() == absl::GetFlag(FLAGS_tokens).empty())
    coterie::ExitWithUsageError("give either --prompt or --tokens");
  return coterie::Run();
}
