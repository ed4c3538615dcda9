// Can a tenant learn from times whether another has sent a prompt? Asks 1,000 prompts, half of them
// sent before by another tenant and half by nobody, each once, in random order, and takes the time
// to the first token as evidence. AUC: how often a prompt of the other tenant was faster than one
// of nobody; 0.5 is chance, and at most 0.55 is the aim. All prompts begin with a public one, which
// is shared. As a control the other tenant asks its own prompts: there the AUC must be near 1, or
// the probe is blind.
//
//   bazel run //bench/kv:timing_probe -- --model=$PWD/tools/demo_model/checkpoint
#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/time/clock.h"
#include "kernels/check.h"
#include "kv_store/client/memory_block_store.h"
#include "tests/testing/store_router.h"

ABSL_FLAG(std::string, model, "", "A model that is quick; of its tokens only their number counts.");
ABSL_FLAG(int, probes, 1000, "Prompts asked.");
ABSL_FLAG(int, public_tokens, 256, "That all prompts begin with.");
ABSL_FLAG(int, prompt_tokens, 512, "Of a prompt.");

namespace coterie {
namespace {

class Probe {
 public:
  explicit Probe(const std::string& model)
      : public_(SomeTokens(absl::GetFlag(FLAGS_public_tokens), 1)),
        store_(size_t{4} << 30),
        router_({.model = model,
                 .store = &store_,
                 .kv_bytes = int64_t{4} << 30,
                 .link = {.public_prompts = {public_},
                          .policy = {.tokens_per_second = 1, .measure = false}}}) {}

  // Prompts of even numbers, as tenant "one".
  void SendAsAnother(int num_probes) {
    for (int i = 0; i < num_probes; i += 2) Seconds("one", i);
    router_.Flush();
  }
  double Auc(const std::string& tenant, int num_probes) {
    std::vector<int> order(static_cast<size_t>(num_probes));
    for (int i = 0; i < num_probes; ++i) order[static_cast<size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), random_);
    Seconds(tenant, num_probes + 1);  // the public part is known by now
    std::vector<double> sent, unknown;
    for (const int i : order) (i % 2 == 0 ? sent : unknown).push_back(Seconds(tenant, i));
    double faster = 0;
    for (const double a : sent) {
      for (const double b : unknown) faster += a < b ? 1 : a == b ? 0.5 : 0;
    }
    std::printf("%-10s median of prompts sent before %.2f ms, of others %.2f ms; ", tenant.c_str(),
                Median(sent) * 1e3, Median(unknown) * 1e3);
    return faster / static_cast<double>(sent.size() * unknown.size());
  }

 private:
  static double Median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                     values.end());
    return values[values.size() / 2];
  }
  double Seconds(const std::string& tenant, int number) {
    std::vector<int32_t> prompt = public_;
    const auto rest = static_cast<int64_t>(absl::GetFlag(FLAGS_prompt_tokens)) -
                      static_cast<int64_t>(prompt.size());
    const std::vector<int32_t> own = SomeTokens(rest, 1000 + static_cast<uint32_t>(number));
    prompt.insert(prompt.end(), own.begin(), own.end());
    const absl::Time begin = absl::Now();
    const StoreRouter::Answer answer = router_.Ask(prompt, 1, tenant);
    CHECK(answer.status.ok()) << answer.status.ToString();
    return absl::ToDoubleSeconds(absl::Now() - begin);
  }

  const std::vector<int32_t> public_;
  std::minstd_rand random_{1};
  MemoryBlockStore store_;
  StoreRouter router_;
};

int Main() {
  const int num_probes = absl::GetFlag(FLAGS_probes);
  Probe probe(absl::GetFlag(FLAGS_model));
  probe.SendAsAnother(num_probes);
  const double across = probe.Auc("two", num_probes);
  std::printf("AUC across tenants %.3f\n", across);
  const double control = probe.Auc("one", num_probes);
  std::printf("AUC of the tenant itself, the control, %.3f\n", control);
  return across <= 0.55 && control > 0.9 ? 0 : 1;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return coterie::Main();
}
