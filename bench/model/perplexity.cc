// Perplexity of a model through our engine, and how evenly it uses its experts.
//
// Method: every line of --sequences is one sequence, "begin:end begin:end | id id id …": token ids,
// and the half-open ranges of positions whose tokens are scored by what the model said one position
// before. The router's own forward pass in this process, experts here too. One JSON line; with
// --load also the rows that each expert got, one CSV line a layer.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kernels/status_macros.h"
#include "model/load_flags.h"
#include "ops/process/flags.h"
#include "prometheus/registry.h"
#include "router/router_stack.h"

ABSL_FLAG(std::string, model, "", "Model directory or .gguf file. Required.");
ABSL_FLAG(std::string, quantise, "", "As the router's flag.");
ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(std::string, sequences, "", "File of sequences. Required.");
ABSL_FLAG(std::string, load, "", "Write the rows of every expert there.");

namespace coterie {
namespace {

constexpr int64_t kChunk = 512;

struct Range {
  int64_t begin = 0, end = 0;
};

struct ScoredSequence {
  std::vector<int32_t> tokens;
  std::vector<Range> scored;  // positions, begin > 0
};

absl::StatusOr<ScoredSequence> ParseSequence(const std::string& line) {
  const std::vector<std::string> halves = absl::StrSplit(line, '|');
  if (halves.size() != 2)
    return absl::InvalidArgumentError("expected \"begin:end … | id id …\", found \"" +
                                      line.substr(0, 60) + "\"");
  ScoredSequence sequence;
  for (const absl::string_view id : absl::StrSplit(halves[1], ' ', absl::SkipEmpty())) {
    if (!absl::SimpleAtoi(id, &sequence.tokens.emplace_back()))
      return absl::InvalidArgumentError(absl::StrCat("token id \"", id, "\" is not a number"));
  }
  for (const absl::string_view range : absl::StrSplit(halves[0], ' ', absl::SkipEmpty())) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, ':');
    Range& r = sequence.scored.emplace_back();
    if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &r.begin) ||
        !absl::SimpleAtoi(ends[1], &r.end) || r.begin < 1 || r.end < r.begin ||
        r.end > static_cast<int64_t>(sequence.tokens.size()))
      return absl::InvalidArgumentError(
          absl::StrCat("range \"", range, "\" does not lie in a sequence of ",
                       sequence.tokens.size(), " tokens, after its first"));
  }
  return sequence;
}

absl::StatusOr<std::vector<ScoredSequence>> ReadSequences(const std::string& path, int64_t vocab) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(path + ": cannot be read");
  std::vector<ScoredSequence> sequences;
  for (std::string line; std::getline(file, line);) {
    ASSIGN_OR_RETURN(ScoredSequence sequence, ParseSequence(line));
    for (const int32_t id : sequence.tokens) {
      if (id < 0 || id >= vocab)
        return absl::InvalidArgumentError(
            absl::StrCat("token id ", id, " is not in a vocabulary of ", vocab));
    }
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

double NegativeLogLikelihood(std::span<const float> logits, int32_t token) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - peak);
  return peak + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

class PerplexityBench {
 public:
  explicit PerplexityBench(RouterStack* stack) : stack_(stack) {}

  absl::Status Add(const ScoredSequence& sequence) {
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    const std::unique_ptr<KvCache::Sequence> kv = stack_->cache().StartAlone();
    for (int64_t begin = 0; begin < count; begin += kChunk)
      RETURN_IF_ERROR(RunChunk(sequence, *kv, begin, std::min(count, begin + kChunk)));
    return absl::OkStatus();
  }

  double mean() const { return sum_ / static_cast<double>(std::max<int64_t>(1, num_scored_)); }
  int64_t num_scored() const { return num_scored_; }

 private:
  absl::Status RunChunk(const ScoredSequence& sequence, KvCache::Sequence& kv, int64_t begin,
                        int64_t end) {
    if (!kv.Grow(end, absl::Now()))
      return absl::ResourceExhaustedError("a sequence is longer than the cache");
    std::vector<StepRow> rows;
    std::vector<int32_t> targets;
    for (int64_t position = begin; position < end; ++position) {
      const bool scored =
          std::any_of(sequence.scored.begin(), sequence.scored.end(), [&](const Range& range) {
            return position + 1 >= range.begin && position + 1 < range.end;
          });
      rows.push_back({sequence.tokens[static_cast<size_t>(position)], position, &kv, scored});
      if (scored) targets.push_back(sequence.tokens[static_cast<size_t>(position) + 1]);
    }
    ASSIGN_OR_RETURN(const Tensor logits, stack_->step().Run(rows, [] { return false; }));
    kv.Commit({}, end);
    for (size_t i = 0; i < targets.size(); ++i) {
      sum_ += NegativeLogLikelihood(
          {logits.row(static_cast<int64_t>(i)), static_cast<size_t>(stack_->config().vocab_size)},
          targets[i]);
    }
    num_scored_ += static_cast<int64_t>(targets.size());
    return absl::OkStatus();
  }

  RouterStack* const stack_;
  double sum_ = 0;
  int64_t num_scored_ = 0;
};

absl::Status WriteLoad(const ExpertLoad& load, const std::string& path) {
  std::ofstream file(path);
  const std::vector<uint64_t> rows = load.Snapshot();
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool last = (i + 1) % static_cast<size_t>(load.num_experts()) == 0;
    file << rows[i] << (last ? '\n' : ',');
  }
  file.close();
  return file ? absl::OkStatus() : absl::InternalError(path + ": cannot be written");
}

absl::Status Run() {
  RouterOptions options;
  options.model = absl::GetFlag(FLAGS_model);
  options.prefill_chunk = kChunk;
  ASSIGN_OR_RETURN(options.load, ParseLoadOptions(absl::GetFlag(FLAGS_quantise)));
  ASSIGN_OR_RETURN(options.num_threads, ThreadsFromFlag(absl::GetFlag(FLAGS_threads)));
  prometheus::Registry registry;
  ASSIGN_OR_RETURN(const std::unique_ptr<RouterStack> stack,
                   RouterStack::Create(std::move(options), registry));
  stack->Stop(absl::InfinitePast());  // the step and the cache are ours from here on
  ASSIGN_OR_RETURN(const std::vector<ScoredSequence> sequences,
                   ReadSequences(absl::GetFlag(FLAGS_sequences), stack->config().vocab_size));
  PerplexityBench bench(stack.get());
  for (const ScoredSequence& sequence : sequences) RETURN_IF_ERROR(bench.Add(sequence));
  std::printf(
      "{\"sequences\": %zu, \"scored_tokens\": %lld, \"mean_nll\": %.5f, \"perplexity\": %.4f}\n",
      sequences.size(), static_cast<long long>(bench.num_scored()), bench.mean(),
      std::exp(bench.mean()));
  const std::string load = absl::GetFlag(FLAGS_load);
  return load.empty() ? absl::OkStatus() : WriteLoad(stack->expert_load(), load);
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Perplexity of a model through Coterie's engine.");
  if (absl::GetFlag(FLAGS_model).empty() || absl::GetFlag(FLAGS_sequences).empty())
    coterie::ExitWithUsageError("give --model and --sequences");
  if (const absl::Status status = coterie::Run(); !status.ok()) {
    std::fprintf(stderr, "perplexity: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
