// Attention over a cached past, in the shapes of the real model's two kinds of layers.
//
// Method: a cache of drawn values, one query row (decode) or 64 (prefill), at several depths.
// Median and 99th percentile of --runs; each run takes the next of several caches, so that a short
// past too comes from memory.
//
// The best possible: the K and V that the rows see are read once, bytes / read bandwidth; and every
// row multiplies each of them once for the 16 heads, multiply-adds / rate of f32 fma. The larger is
// the floor; the last column is it over the median.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/kernels/machine_limits.h"
#include "kernels/kernels.h"
#include "kernels/status_macros.h"
#include "model/load_flags.h"
#include "ops/process/flags.h"

ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(int, runs, 20, "Runs of each, after one to warm up.");

namespace coterie {
namespace {

struct Workload {
  const char* name;
  KvShape shape;
  int64_t window;
};

constexpr int64_t kNumHeads = 16;
constexpr Workload kWorkloads[] = {
    {"sliding", {KvType::kBF16, 8, 256, 256}, 1024},
    {"global", {KvType::kBF16, 2, 128, 512}, 0},
};

// One sequence's blocks, filled.
struct Cache {
  std::vector<Buffer> buffers;
  std::vector<std::byte*> blocks;

  Cache(const KvShape& shape, int64_t depth) {
    const int64_t num_blocks = (depth + kKvBlockTokens - 1) / kKvBlockTokens;
    std::vector<float> key(static_cast<size_t>(shape.num_kv_heads * shape.key_dim)),
        value(static_cast<size_t>(shape.num_kv_heads * shape.value_dim));
    for (int64_t b = 0; b < num_blocks; ++b) {
      buffers.emplace_back(static_cast<size_t>(shape.block_bytes()));
      blocks.push_back(buffers.back().data());
    }
    for (int64_t position = 0; position < depth; ++position) {
      for (size_t i = 0; i < key.size(); ++i)
        key[i] = 0.1f * std::sin(static_cast<float>(static_cast<size_t>(position) * 7 + i));
      for (size_t i = 0; i < value.size(); ++i) value[i] = key[i % key.size()];
      StoreKv(shape, {blocks.data(), 0}, position, key.data(), value.data());
    }
  }
};

void Run(const Workload& w, int64_t depth, int64_t num_rows, int runs, double bandwidth,
         double multiply_adds, Parallel& pool) {
  const bool global = w.window == 0;
  const int64_t seen = global ? depth : std::min(depth, w.window);
  const double bytes =
      static_cast<double>(seen * w.shape.num_kv_heads) *
      static_cast<double>((w.shape.key_dim + w.shape.value_dim) * w.shape.value_bytes());
  std::vector<Cache> caches;
  for (double held = 0; held < 256e6 && caches.size() < 16; held += bytes)
    caches.emplace_back(w.shape, depth);
  std::vector<float> query(static_cast<size_t>(num_rows * kNumHeads * w.shape.key_dim), 0.01f),
      value_query(static_cast<size_t>(num_rows * kNumHeads * w.shape.value_dim), 0.01f),
      out(value_query.size());
  std::vector<int64_t> positions;
  for (int64_t row = 0; row < num_rows; ++row) positions.push_back(depth - num_rows + row);
  std::vector<double> seconds;
  for (int run = -1; run < runs; ++run) {
    const Cache& cache = caches[static_cast<size_t>(run + 1) % caches.size()];
    const std::vector<KvView> views(static_cast<size_t>(num_rows), {cache.blocks.data(), 0});
    const auto start = std::chrono::steady_clock::now();
    Attention({.shape = w.shape,
               .num_heads = kNumHeads,
               .window = w.window,
               .query = Tensor(query.data(), {num_rows, kNumHeads * w.shape.key_dim}),
               .value_query =
                   global ? Tensor(value_query.data(), {num_rows, kNumHeads * w.shape.value_dim})
                          : Tensor(),
               .positions = positions,
               .views = views,
               .out = Tensor(out.data(), {num_rows, kNumHeads * w.shape.value_dim})},
              pool);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (run >= 0) seconds.push_back(took.count());
  }
  std::sort(seconds.begin(), seconds.end());
  // Scores over the keys (and, in global layers, over the values too), then the weighted sum.
  const double products =
      static_cast<double>(num_rows * seen * kNumHeads) *
      static_cast<double>(w.shape.key_dim + w.shape.value_dim * (global ? 2 : 1));
  const double floor = std::max(bytes / bandwidth, products / multiply_adds),
               median = seconds[seconds.size() / 2];
  std::printf("%-8s %7lld %5lld %10.1f %10.1f %10.1f %8.1f %8.1f %6.2f\n", w.name,
              static_cast<long long>(depth), static_cast<long long>(num_rows), median * 1e6,
              seconds[seconds.size() * 99 / 100] * 1e6, floor * 1e6, bytes / median * 1e-9,
              products / median * 1e-9, floor / median);
  std::fflush(stdout);
}

absl::Status RunAll() {
  ASSIGN_OR_RETURN(const int num_threads, ThreadsFromFlag(absl::GetFlag(FLAGS_threads)));
  const int runs = absl::GetFlag(FLAGS_runs);
  if (runs < 1) return absl::InvalidArgumentError("--runs is at least 1");
  const double bandwidth = MeasureReadBandwidth(num_threads),
               multiply_adds = MeasureF32MultiplyAdds(num_threads);
  std::printf("%d threads; limits: %.1f GB/s read, %.0f G f32 multiply-adds/s\n", num_threads,
              bandwidth * 1e-9, multiply_adds * 1e-9);
  std::printf("%-8s %7s %5s %10s %10s %10s %8s %8s %6s\n", "layer", "depth", "rows", "median us",
              "p99 us", "floor us", "GB/s", "GMAC/s", "ratio");
  Parallel pool(num_threads);
  for (const Workload& workload : kWorkloads) {
    for (int64_t depth : {512, 4096, 32768}) {
      for (int64_t rows : {1, 64}) Run(workload, depth, rows, runs, bandwidth, multiply_adds, pool);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Times attention beside the machine's limits.");
  return coterie::ExitCodeFor(coterie::RunAll());
}
