// Is a store ever in the way? The time to the first token of requests to routers without a store,
// with one that does well, and with ones that are dead, stuck or slow, taken in turn; and the speed
// of decode while every block is written behind.
//
// The floor is the router without a store: the aim is 5 ms on top of it at most at the 99th
// percentile, and decode as fast within the noise.
//
//   bazel run //bench/kv:latency_bench -- --model=$PWD/tools/demo_model/checkpoint
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/time/clock.h"
#include "bench/kv/delayed_store.h"
#include "kernels/check.h"
#include "kv_store/client/memory_block_store.h"
#include "tests/testing/fake_block_store.h"
#include "tests/testing/store_router.h"

ABSL_FLAG(std::string, model, "", "A model; of its tokens only their number counts.");
ABSL_FLAG(int, requests, 300, "Of each router.");
ABSL_FLAG(int, prompt_tokens, 320, "Of each request.");
ABSL_FLAG(int, decode_tokens, 400, "Of each of four sequences whose decode is timed.");
ABSL_FLAG(int, rounds, 5, "Of decode.");

namespace coterie {
namespace {

using How = FakeBlockStore::How;

StoreRouter::Options OptionsWith(BlockStore* store) {
  // As a router has them by default.
  return {.model = absl::GetFlag(FLAGS_model),
          .store = store,
          .prefill_chunk = 512,
          .kv_bytes = int64_t{1} << 30,
          .link = {}};
}

struct Contestant {
  std::string name;
  std::unique_ptr<BlockStore> store;
  std::unique_ptr<StoreRouter> router;
  std::vector<double> first_token;  // seconds
  std::vector<double> decode;       // tokens a second
};

std::vector<int32_t> Prompt(int number) {
  return SomeTokens(absl::GetFlag(FLAGS_prompt_tokens), 100 + static_cast<uint32_t>(number));
}

double FirstToken(StoreRouter& router, int number) {
  const absl::Time begin = absl::Now();
  const StoreRouter::Answer answer = router.Ask(Prompt(number), 1);
  CHECK(answer.status.ok()) << answer.status.ToString();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

// Prompts included: they are a small part, and the same for all.
double DecodeSpeed(StoreRouter& router, int round) {
  const int64_t num_tokens = absl::GetFlag(FLAGS_decode_tokens);
  const absl::Time begin = absl::Now();
  std::vector<std::shared_ptr<TokenStream>> streams;
  for (int i = 0; i < 4; ++i)
    streams.push_back(router.Submit(Prompt(100000 + 4 * round + i), num_tokens));
  for (const auto& stream : streams) CHECK(StoreRouter::Read(*stream).status.ok());
  return static_cast<double>(4 * num_tokens) / absl::ToDoubleSeconds(absl::Now() - begin);
}

double At(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto index = static_cast<size_t>(share * static_cast<double>(values.size()));
  return values[std::min(index, values.size() - 1)];
}

std::unique_ptr<BlockStore> Fake(FakeBlockStore::Plan plan) {
  auto store = std::make_unique<FakeBlockStore>(size_t{1} << 30);
  store->Do(plan);
  return store;
}

// A store that has every prompt, and takes so long for each fetch.
std::unique_ptr<BlockStore> Slow(absl::Duration delay, int num_requests) {
  auto store = std::make_unique<MemoryBlockStore>(size_t{2} << 30);
  {
    StoreRouter writer(OptionsWith(store.get()));
    for (int i = 0; i < num_requests; ++i) FirstToken(writer, i);
    writer.Flush();
  }
  return std::make_unique<DelayedStore>(std::move(store), delay);
}

int Main() {
  const int num_requests = absl::GetFlag(FLAGS_requests), num_rounds = absl::GetFlag(FLAGS_rounds);
  std::vector<Contestant> all;
  all.push_back({.name = "no store"});
  all.push_back({.name = "a store that does well", .store = Fake({})});
  all.push_back({.name = "dead: every call fails",
                 .store = Fake({.find = How::kFails, .get = How::kFails, .put = How::kFails})});
  all.push_back({.name = "stuck: no lookup is answered", .store = Fake({.find = How::kNever})});
  all.push_back({.name = "slow: 10 ms a fetch, has all",
                 .store = Slow(absl::Milliseconds(10), num_requests)});
  all.push_back({.name = "stuck in fetches, has all", .store = Slow(absl::Hours(1), num_requests)});
  for (Contestant& one : all)
    one.router = std::make_unique<StoreRouter>(OptionsWith(one.store.get()));
  for (int i = 0; i < num_requests; ++i) {
    for (size_t turn = 0; turn < all.size(); ++turn) {
      Contestant& one = all[(static_cast<size_t>(i) + turn) % all.size()];
      one.first_token.push_back(FirstToken(*one.router, i));
    }
  }
  const double alone = At(all.front().first_token, 0.99);
  std::printf("%-30s %10s %10s %22s\n", "first token after, ms", "median", "p99",
              "p99 more than alone");
  for (const Contestant& one : all)
    std::printf("%-30s %10.2f %10.2f %22.2f\n", one.name.c_str(), At(one.first_token, 0.5) * 1e3,
                At(one.first_token, 0.99) * 1e3, (At(one.first_token, 0.99) - alone) * 1e3);
  for (int round = 0; round < num_rounds; ++round) {
    for (size_t turn = 0; turn < 2; ++turn) {
      Contestant& one = all[(static_cast<size_t>(round) + turn) % 2];
      one.decode.push_back(DecodeSpeed(*one.router, round));
    }
  }
  const double without = At(all[0].decode, 0.5), with = At(all[1].decode, 0.5);
  std::printf(
      "decode, 4 sequences: %.0f tokens/s without a store, %.0f while writing behind: %.3f times\n",
      without, with, with / without);
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return coterie::Main();
}
