// LocalForward: the whole model in this process, through the same steps as the router's engine, one
// sequence at a time.
#ifndef COTERIE_TESTS_TESTING_LOCAL_FORWARD_H_
#define COTERIE_TESTS_TESTING_LOCAL_FORWARD_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "prometheus/registry.h"
#include "router/router_stack.h"

namespace coterie {

class LocalForward {
 public:
  struct Options {
    std::string model;
    LoadOptions load;
    std::vector<std::string> workers;  // empty: in this process
    int num_threads = 1;
    std::optional<KvType> kv_type;
  };
  explicit LocalForward(Options options);  // aborts with the reason when it cannot be made

  // Logits at every position, [tokens, vocab], prefilled in chunks of `chunk`.
  std::vector<float> Logits(std::span<const int32_t> tokens, int64_t chunk = kChunk);
  // Greedy continuation, stop tokens ignored.
  std::vector<int32_t> Greedy(std::vector<int32_t> tokens, int64_t count);

  RouterStack& stack() { return *stack_; }

 private:
  static constexpr int64_t kChunk = 512;

  std::vector<float> RunChunk(KvCache::Sequence& kv, std::span<const int32_t> tokens, int64_t begin,
                              int64_t end);

  prometheus::Registry registry_;
  std::unique_ptr<RouterStack> stack_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_LOCAL_FORWARD_H_
