// Matrix products of every format, in the shapes of the real model: one row is decode, 512 are
// prefill.
//
// Method: the weights are copied until they exceed any cache, and each run takes the next copy, so
// a row always reads its weights from memory, as decode does. Median and 99th percentile of --runs.
//
// The best possible is the larger of two times: packed bytes / read bandwidth, and multiply-adds /
// rate of multiply-adds from registers. Both limits are measured in this run (machine_limits.h);
// the last column is that floor over the median. On 2 Zen 4 cores the two meet at some 12 rows of
// Q4_0: below, a row costs nothing but the reading, above, the multiply-adds decide.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/kernels/machine_limits.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "kernels/status_macros.h"
#include "model/load_flags.h"
#include "ops/process/flags.h"
#include "tests/testing/random_weights.h"

ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(int, runs, 30, "Runs of each product, after one to warm up.");
ABSL_FLAG(std::vector<std::string>, rows, std::vector<std::string>({"1", "8", "32", "512"}),
          "Rows of a product.");
ABSL_FLAG(std::string, only, "", "Products whose name or format contains this; empty: all.");
ABSL_FLAG(std::string, isa, "", "portable, avx2 or avx512; empty: the best of this machine.");

namespace coterie {
namespace {

struct Workload {
  const char* name;
  DType format;
  int64_t num_outputs, num_inputs;
};

constexpr Workload kWorkloads[] = {
    {"expert gate_up", DType::kQ4_0, 1408, 2816}, {"expert down", DType::kQ4_0, 2816, 704},
    {"dense gate_up", DType::kQ4_0, 4224, 2816},  {"attention out", DType::kQ4_0, 2816, 4096},
    {"expert gate_up", DType::kQ8_0, 1408, 2816}, {"expert gate_up", DType::kBF16, 1408, 2816},
    {"expert gate_up", DType::kF32, 1408, 2816},  {"gate", DType::kF32, 128, 2816},
    {"head", DType::kQ6_K, 262144, 2816},
};

struct Limits {
  double bytes_per_second, int8_per_second, f32_per_second;
};

class Bench {
 public:
  Bench(const Workload& workload, Parallel& pool) : workload_(workload), pool_(pool) {
    constexpr size_t kMoreThanAnyCache = size_t{256} << 20;
    const std::vector<std::byte> bytes =
        RandomWeights(workload_.format, workload_.num_outputs, workload_.num_inputs, 1);
    size_t held = 0;
    do {
      copies_.push_back(*PackedMatrix::Pack(
          {workload_.format, workload_.num_outputs, workload_.num_inputs, bytes}, workload_.format,
          pool_));
      held += copies_.back().size_bytes();
    } while (held < kMoreThanAnyCache);
  }

  void Run(int64_t num_rows, int runs, const Limits& limits) {
    const std::vector<double> seconds = Times(num_rows, runs);
    const double median = seconds[seconds.size() / 2], p99 = seconds[seconds.size() * 99 / 100];
    const auto bytes = static_cast<double>(copies_[0].num_panels() * copies_[0].panel_bytes());
    const double products = static_cast<double>(num_rows) *
                            static_cast<double>(workload_.num_outputs * workload_.num_inputs);
    const double rate =
        IsQuantised(workload_.format) ? limits.int8_per_second : limits.f32_per_second;
    const double floor = std::max(bytes / limits.bytes_per_second, products / rate);
    std::printf("%-15s %-5s %6lld x %4lld %5lld %10.1f %10.1f %10.1f %8.1f %9.1f %6.2f\n",
                workload_.name, DTypeName(workload_.format),
                static_cast<long long>(workload_.num_outputs),
                static_cast<long long>(workload_.num_inputs), static_cast<long long>(num_rows),
                median * 1e6, p99 * 1e6, floor * 1e6, bytes / median * 1e-9,
                products / median * 1e-9, floor / median);
    std::fflush(stdout);
  }

 private:
  // Sorted.
  std::vector<double> Times(int64_t num_rows, int runs) {
    std::vector<float> x(static_cast<size_t>(num_rows * workload_.num_inputs));
    for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
    EncodedRows rows;
    rows.Encode(copies_[0].row_format(), Tensor(x.data(), {num_rows, workload_.num_inputs}));
    Buffer out(static_cast<size_t>(num_rows * workload_.num_outputs) * sizeof(float));
    const Tensor result(out.as<float>(), {num_rows, workload_.num_outputs});
    std::vector<double> seconds;
    for (int run = -1; run < runs; ++run) {
      const PackedMatrix& weights = copies_[static_cast<size_t>(run + 1) % copies_.size()];
      const auto start = std::chrono::steady_clock::now();
      MatMul(rows, weights, result, pool_);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (run >= 0) seconds.push_back(took.count());
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds;
  }

  const Workload workload_;
  Parallel& pool_;
  std::vector<PackedMatrix> copies_;
};

absl::Status Run() {
  for (Isa isa : SupportedIsas()) {
    if (absl::GetFlag(FLAGS_isa) == IsaName(isa)) SetIsa(isa);
  }
  if (!absl::GetFlag(FLAGS_isa).empty() && absl::GetFlag(FLAGS_isa) != IsaName(CurrentIsa()))
    return absl::InvalidArgumentError("--isa is one that this machine has");
  ASSIGN_OR_RETURN(const int num_threads, ThreadsFromFlag(absl::GetFlag(FLAGS_threads)));
  const int runs = absl::GetFlag(FLAGS_runs);
  if (runs < 1) return absl::InvalidArgumentError("--runs is at least 1");
  const Limits limits = {MeasureReadBandwidth(num_threads), MeasureInt8MultiplyAdds(num_threads),
                         MeasureF32MultiplyAdds(num_threads)};
  std::printf(
      "%d threads, %s; limits: %.1f GB/s read, %.0f G int8 and %.0f G f32 multiply-adds/s\n",
      num_threads, IsaName(CurrentIsa()), limits.bytes_per_second * 1e-9,
      limits.int8_per_second * 1e-9, limits.f32_per_second * 1e-9);
  std::printf("%-15s %-5s %13s %5s %10s %10s %10s %8s %9s %6s\n", "product", "", "shape", "rows",
              "median us", "p99 us", "floor us", "GB/s", "GMAC/s", "ratio");
  Parallel pool(num_threads);
  const std::string only = absl::GetFlag(FLAGS_only);
  for (const Workload& workload : kWorkloads) {
    if (!absl::StrContains(absl::StrCat(workload.name, " ", DTypeName(workload.format)), only))
      continue;
    Bench bench(workload, pool);
    for (const std::string& text : absl::GetFlag(FLAGS_rows)) {
      int64_t rows = 0;
      if (!absl::SimpleAtoi(text, &rows) || rows < 1 || rows > 4096)
        return absl::InvalidArgumentError(absl::StrCat("--rows has '", text, "': 1 to 4096"));
      // A head over 512 rows would be half a gigabyte of logits, which nobody asks for.
      if (workload.num_outputs * rows <= int64_t{262144} * 8) bench.Run(rows, runs, limits);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Times matrix products beside the machine's limits.");
  return coterie::ExitCodeFor(coterie::Run());
}
