// Speed of the engine's forward pass on one model: prefill, and decode of batches of sequences.
//
// Method: the router's own stack in this process, experts here or on --workers, without gRPC's
// Generate in front. One prompt of drawn tokens is prefilled, then every sequence of a batch steps
// through drawn tokens: the work is that of generation, and no choice of token can make a random
// model repeat itself and visit the same experts. Medians of --runs, one JSON line.
//
// The best possible. A decode step reads the trunk once and the experts that its rows chose: on the
// real shapes, Q4_0, one row reads 1.58 GB of trunk (0.61 GB of it the head) and 0.80 GB of
// experts, 8 in each of 30 layers. The floor is those bytes (the experts that were touched,
// counted) over the read bandwidth of this same run; cached keys and values come on top. Prefill is
// bound by multiply-adds; //bench/kernels:product_bench states that limit.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/kernels/machine_limits.h"
#include "bench/serve/exchange_cost.h"
#include "expert_worker/expert_host.h"
#include "kernels/check.h"
#include "kernels/isa.h"
#include "kernels/status_macros.h"
#include "model/load_flags.h"
#include "ops/process/flags.h"
#include "prometheus/registry.h"
#include "router/router_stack.h"

ABSL_FLAG(std::string, model, "", "Model directory or .gguf file. Required.");
ABSL_FLAG(std::vector<std::string>, workers, {},
          "Expert workers, host:port,…; empty: experts in this process.");
ABSL_FLAG(std::string, quantise, "", "As the router's flag.");
ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(int64_t, prefill_tokens, 512, "Tokens of the prompt.");
ABSL_FLAG(int64_t, decode_tokens, 32, "Steps of a decode run.");
ABSL_FLAG(std::vector<std::string>, batches, {"1"}, "Sequences that decode together.");
ABSL_FLAG(int, runs, 3, "Runs of each; medians are reported.");
ABSL_FLAG(uint32_t, seed, 1, "Of the drawn tokens.");

namespace coterie {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class EngineBench {
 public:
  // A sequence decodes `decode_tokens` at most.
  EngineBench(RouterStack* stack, const prometheus::Registry* registry, int64_t decode_tokens,
              uint32_t seed)
      : stack_(stack),
        registry_(registry),
        decode_tokens_(decode_tokens),
        rng_(seed),
        distinct_before_(DistinctTotals()) {}

  // Tokens a second of one prompt into an empty cache.
  absl::StatusOr<double> Prefill(int64_t num_tokens) {
    sequences_.clear();
    sequences_.push_back(stack_->cache().StartAlone());
    const auto start = Clock::now();
    RETURN_IF_ERROR(RunPrompt(*sequences_[0], num_tokens));
    return static_cast<double>(num_tokens) / SecondsSince(start);
  }

  // Steps of `batch` sequences with a short past each; the first has the prompt of Prefill.
  absl::StatusOr<double> Decode(int64_t batch, int64_t past, int64_t steps) {
    CHECK_LE(steps, decode_tokens_);
    while (static_cast<int64_t>(sequences_.size()) < batch) {
      sequences_.push_back(stack_->cache().StartAlone());
      RETURN_IF_ERROR(RunPrompt(*sequences_.back(), kShortPast));
    }
    distinct_before_ = DistinctTotals();
    cost_before_ = ExchangeCost::SoFar(*registry_);
    const auto start = Clock::now();
    for (int64_t step = 0; step < steps; ++step) {
      std::vector<StepRow> rows;
      for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
        const int64_t position = (i == 0 ? past : kShortPast) + step;
        if (!sequences_[i]->Grow(position + 1, absl::Now())) return NoRoom();
        rows.push_back({Draw(), position, sequences_[i].get(), true});
      }
      RETURN_IF_ERROR(Run(rows));
      for (size_t i = 0; i < rows.size(); ++i) sequences_[i]->Commit({}, rows[i].position + 1);
    }
    return static_cast<double>(batch * steps) / SecondsSince(start);
  }

  // Of one step, since the last Decode began.
  ExchangeCost CostOfExchange(int64_t steps) const {
    return ExchangeCost::SoFar(*registry_).Since(cost_before_, static_cast<double>(steps));
  }

  // Distinct experts of a step, for every layer, since the last Decode began.
  std::vector<double> DistinctExperts(int64_t steps) const {
    std::vector<double> distinct = DistinctTotals();
    for (size_t layer = 0; layer < distinct.size(); ++layer)
      distinct[layer] = (distinct[layer] - distinct_before_[layer]) / static_cast<double>(steps);
    return distinct;
  }

 private:
  static constexpr int64_t kShortPast = 16;

  int32_t Draw() {
    const auto vocab = static_cast<uint32_t>(stack_->config().vocab_size);
    // The real vocabulary's first 260 are control tokens and bytes.
    const uint32_t first = vocab > 1000 ? 260 : 5;
    return static_cast<int32_t>(first + rng_() % (vocab - first));
  }

  static absl::Status NoRoom() {
    return absl::ResourceExhaustedError("no room in the KV cache for so many sequences");
  }

  absl::Status RunPrompt(KvCache::Sequence& kv, int64_t num_tokens) {
    if (!kv.Grow(num_tokens, absl::Now())) return NoRoom();
    std::vector<StepRow> rows;
    for (int64_t position = 0; position < num_tokens; ++position)
      rows.push_back({position == 0 ? 2 : Draw(), position, &kv, position == num_tokens - 1});
    RETURN_IF_ERROR(Run(rows));
    kv.Commit({}, num_tokens);
    return absl::OkStatus();
  }

  absl::Status Run(const std::vector<StepRow>& rows) {
    return stack_->step().Run(rows, [] { return false; }).status();
  }

  std::vector<double> DistinctTotals() const {
    std::vector<double> totals;
    for (const prometheus::Counter* counter : stack_->metrics().layer_distinct_experts)
      totals.push_back(counter->Value());
    return totals;
  }

  RouterStack* const stack_;
  const prometheus::Registry* const registry_;
  const int64_t decode_tokens_;
  std::mt19937 rng_;
  std::vector<std::unique_ptr<KvCache::Sequence>> sequences_;
  std::vector<double> distinct_before_;
  ExchangeCost cost_before_;
};

std::string Numbers(const std::vector<double>& values) {
  return absl::StrJoin(values, ",", [](std::string* out, double value) {
    absl::StrAppend(out, absl::SixDigits(value));
  });
}

absl::Status Run() {
  const int64_t prefill_tokens = absl::GetFlag(FLAGS_prefill_tokens),
                decode_tokens = absl::GetFlag(FLAGS_decode_tokens);
  const int runs = absl::GetFlag(FLAGS_runs);
  std::vector<int64_t> batches;
  for (const std::string& text : absl::GetFlag(FLAGS_batches)) {
    int64_t batch = 0;
    if (!absl::SimpleAtoi(text, &batch) || batch < 1 || batch > 4096)
      return absl::InvalidArgumentError(absl::StrCat("--batches has '", text, "': 1 to 4096"));
    batches.push_back(batch);
  }
  if (prefill_tokens < 1 || prefill_tokens > 4096 || decode_tokens < 1 || decode_tokens > 1024 ||
      runs < 1) {
    return absl::InvalidArgumentError(
        "--prefill_tokens is 1 to 4096, --decode_tokens 1 to 1024, --runs at least 1");
  }
  RouterOptions options{.model = absl::GetFlag(FLAGS_model),
                        .workers = absl::GetFlag(FLAGS_workers),
                        .prefill_chunk = prefill_tokens};
  ASSIGN_OR_RETURN(options.load, ParseLoadOptions(absl::GetFlag(FLAGS_quantise)));
  ASSIGN_OR_RETURN(options.num_threads, ThreadsFromFlag(absl::GetFlag(FLAGS_threads)));
  const int num_threads = options.num_threads;
  const LoadOptions load = options.load;
  prometheus::Registry registry;
  const auto loading = Clock::now();
  ASSIGN_OR_RETURN(const auto stack, RouterStack::Create(std::move(options), registry));
  const double load_seconds = SecondsSince(loading);
  // The step and the cache are the engine thread's as long as it lives.
  stack->Stop(absl::InfinitePast());

  const uint32_t seed = absl::GetFlag(FLAGS_seed);
  EngineBench bench(stack.get(), &registry, decode_tokens, seed);
  RETURN_IF_ERROR(bench.Prefill(16).status());  // touches the weights once
  std::vector<double> prefill;
  std::vector<std::vector<double>> decode(batches.size());
  std::vector<std::vector<double>> distinct(batches.size());
  std::vector<ExchangeCost> cost(batches.size());
  for (int run = 0; run < runs; ++run) {
    ASSIGN_OR_RETURN(const double tokens_per_second, bench.Prefill(prefill_tokens));
    prefill.push_back(tokens_per_second);
    for (size_t i = 0; i < batches.size(); ++i) {
      // A batch decodes anew where the one before began: its positions are overwritten.
      ASSIGN_OR_RETURN(const double speed, bench.Decode(batches[i], prefill_tokens, decode_tokens));
      decode[i].push_back(speed);
      distinct[i] = bench.DistinctExperts(decode_tokens);
      cost[i] = bench.CostOfExchange(decode_tokens);
    }
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);  // before the gigabyte that the bandwidth is measured on
  const double bandwidth = MeasureReadBandwidth(num_threads),
               trunk_bytes = static_cast<double>(stack->trunk_bytes()),
               expert_bytes = static_cast<double>(
                   ExpertBytes(stack->config(), LoadedExpertFormat(stack->checkpoint(), load)));

  std::string json = absl::StrCat(
      "{\"engine\":\"coterie\",\"isa\":\"", IsaName(CurrentIsa()), "\",\"threads\":", num_threads,
      ",\"workers\":", absl::GetFlag(FLAGS_workers).size(), ",\"load_seconds\":", load_seconds,
      ",\"resident_bytes_max\":", int64_t{usage.ru_maxrss} * 1024,
      ",\"prefill_tokens\":", prefill_tokens, ",\"prefill_tokens_per_second\":", Median(prefill),
      ",\"prefill_runs\":[", Numbers(prefill), "],\"read_bytes_per_second\":", bandwidth,
      ",\"trunk_bytes\":", trunk_bytes, ",\"expert_bytes\":", expert_bytes,
      ",\"decode_tokens\":", decode_tokens, ",\"decode\":[");
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto [least, most] = std::minmax_element(distinct[i].begin(), distinct[i].end());
    const double touched = std::accumulate(distinct[i].begin(), distinct[i].end(), 0.0),
                 mean = touched / static_cast<double>(distinct[i].size()),
                 step_bytes = trunk_bytes + touched * expert_bytes,
                 floor_seconds = step_bytes / bandwidth,
                 step_seconds = static_cast<double>(batches[i]) / Median(decode[i]);
    absl::StrAppend(
        &json, i == 0 ? "" : ",", "{\"batch\":", batches[i],
        ",\"tokens_per_second\":", Median(decode[i]), ",\"runs\":[", Numbers(decode[i]),
        "],\"distinct_experts\":{\"mean\":", mean, ",\"least_layer\":", *least,
        ",\"most_layer\":", *most, "},\"weight_bytes_a_step\":", step_bytes,
        ",\"floor_seconds_a_step\":", floor_seconds,
        ",\"floor_ratio\":", floor_seconds / step_seconds,
        ",\"layers\":", stack->config().num_layers,
        ",\"exchange_seconds_a_step\":", cost[i].exchange_seconds,
        ",\"dense_seconds_a_step\":", cost[i].dense_seconds,
        ",\"wait_seconds_a_step\":", cost[i].wait_seconds,
        ",\"compute_seconds_a_step\":", cost[i].compute_seconds,
        ",\"link_seconds_an_answer\":", cost[i].link_seconds / std::max(1.0, cost[i].num_answers),
        ",\"row_bytes_out_a_step\":", cost[i].row_bytes_out,
        ",\"row_bytes_back_a_step\":", cost[i].row_bytes_back,
        ",\"wire_bytes_a_step\":", cost[i].wire_bytes, "}");
  }
  std::printf("%s]}\n", json.c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv,
                            "Times prefill and decode of the engine; prints one JSON line.");
  if (absl::GetFlag(FLAGS_model).empty()) coterie::ExitWithUsageError("--model is required");
  return coterie::ExitCodeFor(coterie::Run());
}
