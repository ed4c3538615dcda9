// StoreRouter: a router with its experts in this process and maybe a store behind its cache, asked
// one request at a time.
//
//   FakeBlockStore store;
//   StoreRouter router({.model = …, .store = &store});
//   EXPECT_EQ(router.Ask(prompt, 8).tokens, …);
#ifndef COTERIE_TESTS_TESTING_STORE_ROUTER_H_
#define COTERIE_TESTS_TESTING_STORE_ROUTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "prometheus/registry.h"
#include "router/router_stack.h"

namespace coterie {

class StoreRouter {
 public:
  struct Options {
    std::string model;
    BlockStore* store = nullptr;  // not owned, outlives this; null: none
    std::vector<std::string> workers;
    std::optional<KvType> kv_type;
    int64_t prefill_chunk = 64;
    int64_t kv_bytes = 64 << 20;
    int64_t max_sequences = 4;
    int64_t max_context = 4096;
    // Long, so that a busy machine changes nothing; fetching is always worth it.
    StoreLink::Options link = {
        .patience = absl::Seconds(20),
        .policy = {.tokens_per_second = 1, .measure = false, .slack = absl::Seconds(20)}};
  };
  explicit StoreRouter(Options options);
  ~StoreRouter();

  struct Answer {
    std::vector<int32_t> tokens;
    std::vector<std::pair<int32_t, float>> logprobs;  // of every token's 8 best, in order
    int64_t cached_tokens = 0;
    absl::Status status;

    // Cached tokens aside.
    friend bool operator==(const Answer& a, const Answer& b) {
      return a.tokens == b.tokens && a.logprobs == b.logprobs && a.status == b.status;
    }
  };
  std::shared_ptr<TokenStream> Submit(std::vector<int32_t> prompt, int64_t max_tokens,
                                      const std::string& tenant = "",
                                      ResumeHint hint = ResumeHint::kNone);
  static Answer Read(TokenStream& stream);
  Answer Ask(const std::vector<int32_t>& prompt, int64_t max_tokens = 4,
             const std::string& tenant = "", ResumeHint hint = ResumeHint::kNone) {
    return Read(*Submit(prompt, max_tokens, tenant, hint));
  }
  // Every request has left, and what was to be written is with the store.
  void Flush();
  // A sample of a counter or gauge, by the value of its label:
  // Counted("router_kv_store_tokens_total", "fetched"); "" where there is none.
  double Counted(const std::string& family, const std::string& label) const;

  RouterStack& stack() { return *stack_; }

 private:
  prometheus::Registry registry_;
  std::unique_ptr<RouterStack> stack_;
};

// `count` ids of the tiny vocabulary, another sequence for every seed.
std::vector<int32_t> SomeTokens(int64_t count, uint32_t seed, int32_t vocab = 300);

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_STORE_ROUTER_H_
