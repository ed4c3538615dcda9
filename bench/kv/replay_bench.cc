// Replays agents' sessions against the store's policies, without its bytes.
//
// Eviction: the share of prompt tokens that are found in a store of so many tokens, with the real
// EvictionPolicy, with and without resume hints (what an agent knows: that it will be back within
// half a minute, later, or never). A request's own context is pinned while it runs. The first
// quarter of the requests warms up and is not counted. The best possible, a store without end, is
// printed beside it.
//
// Bytes: what a store without end would hold with window checkpoints at the ends of prompts, at
// learned branches and every 16,384 tokens, of which a lineage keeps the last two, compared with
// local layers kept for every token; and how much of what matches can be resumed from a checkpoint.
//
//   replay_bench --traces=shared/traces/claude-code --repeats=2
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "bench/kv/trace.h"
#include "kv_store/block_id.h"
#include "kv_store/eviction_policy.h"
#include "ops/process/flags.h"

ABSL_FLAG(std::string, traces, "shared/traces/claude-code", "Folder of traces.");
ABSL_FLAG(int, repeats, 2, "Each session so often, as if other users had it.");
ABSL_FLAG(int, seeds, 3, "Different starts of the sessions; medians are printed.");

namespace coterie {
namespace {

constexpr int64_t kBlockTokens = 64;
constexpr double kWarmUp = 0.25;

ObjectKey KeyOf(uint64_t block) {
  ObjectKey key{.kind = BlockKind::kGlobal, .repr = 1};
  std::copy_n(reinterpret_cast<const uint8_t*>(&block), sizeof(block), key.id.bytes.begin());
  return key;
}

// Token hit rate in a store of `capacity` blocks.
double HitRate(const std::vector<TraceRequest>& requests, size_t capacity, bool has_hints) {
  EvictionPolicy policy;
  struct Running {
    absl::Time end;
    std::vector<ObjectKey> keys;
    StoreHint hint;
    bool operator>(const Running& other) const { return end > other.end; }
  };
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running;
  int64_t hits = 0, total = 0;
  for (size_t r = 0; r < requests.size(); ++r) {
    const TraceRequest& request = requests[r];
    while (!running.empty() && running.top().end <= request.arrival) {
      const Running& ended = running.top();
      for (size_t i = ended.keys.size(); i-- > 0;) {
        policy.Unpin(ended.keys[i]);
        policy.Touch(ended.keys[i], ended.end);
      }
      policy.Hint(ended.keys, ended.hint, ended.end);
      running.pop();
    }
    Running now{.end = request.end, .hint = StoreHint::kNone};
    if (has_hints) {
      now.hint = !request.pause                        ? StoreHint::kDone
                 : *request.pause <= absl::Seconds(30) ? StoreHint::kSoon
                                                       : StoreHint::kLater;
    }
    bool is_hit = true;
    int64_t matched = 0;
    for (const uint64_t block : request.blocks) {
      const ObjectKey key = KeyOf(block);
      is_hit = is_hit && policy.Holds(key);
      if (is_hit) {
        matched += kBlockTokens;
      } else if (!policy.Holds(key)) {
        if (policy.size() >= capacity) {
          const auto victim = policy.Next(request.arrival);
          if (!victim) break;  // all that is held runs
          policy.Remove(victim->key);
        }
        policy.Add(key, now.keys.empty() ? key : now.keys.back(), request.arrival);
      }
      policy.Pin(key);
      now.keys.push_back(key);
    }
    if (static_cast<double>(r) >= kWarmUp * static_cast<double>(requests.size())) {
      hits += std::min(matched, request.num_tokens);
      total += request.num_tokens;
    }
    running.push(std::move(now));
  }
  return static_cast<double>(hits) / static_cast<double>(total);
}

// Which windows are kept, and from how deep a request can go on.
class Checkpoints {
 public:
  void Replay(const TraceRequest& request) {
    std::vector<Node*> path;
    Node* node = &root_;
    size_t matched = 0, resumed = 0;
    for (size_t b = 0; b < request.blocks.size(); ++b) {
      auto& child = node->children[request.blocks[b]];
      if (child == nullptr) {
        child = std::make_unique<Node>();
        ++num_blocks_;
      } else if (matched == b) {
        matched = b + 1;
        if (child->has_checkpoint) resumed = b + 1;
      }
      node = child.get();
      path.push_back(node);
    }
    matched_tokens_ += static_cast<int64_t>(matched);
    resumed_tokens_ += static_cast<int64_t>(resumed);
    if (matched > resumed) Keep(path, matched, true);
    for (size_t at = 256; at < path.size(); at += 256) {
      if (at > resumed) Keep(path, at, false);
    }
    if (!path.empty()) Keep(path, path.size(), false);
  }

  double resumed_of_matched() const {
    return static_cast<double>(resumed_tokens_) / static_cast<double>(matched_tokens_);
  }
  double bytes_of_dense() const {
    const double global = static_cast<double>(num_blocks_) * kGlobalBytes;
    return (global + static_cast<double>(num_windows_) * kLocalBytes) /
           (global + static_cast<double>(num_blocks_) * kLocalBytes);
  }
  double gigabytes() const {
    return (static_cast<double>(num_blocks_) * kGlobalBytes +
            static_cast<double>(num_windows_) * kLocalBytes) /
           1e9;
  }

 private:
  // Of a block of 64 tokens of the 26B in bf16.
  static constexpr double kGlobalBytes = 64 * 10240.0, kLocalBytes = 64 * 204800.0;
  static constexpr size_t kWindowBlocks = 17;
  static constexpr int kPerLineage = 2;

  struct Node {
    std::map<uint64_t, std::unique_ptr<Node>> children;
    bool has_checkpoint = false, is_branch = false;
    int num_windows = 0;  // checkpoints that its local block belongs to
  };

  // A window that ends after path[length - 1].
  void Keep(const std::vector<Node*>& path, size_t length, bool is_branch) {
    Node* node = path[length - 1];
    node->is_branch |= is_branch;
    if (!node->has_checkpoint) Count(path, length, 1);
    node->has_checkpoint = true;
    int kept = 0;
    for (size_t at = length; at-- > 0;) {
      if (!path[at]->has_checkpoint || path[at]->is_branch || ++kept <= kPerLineage) continue;
      path[at]->has_checkpoint = false;
      Count(path, at + 1, -1);
    }
  }

  void Count(const std::vector<Node*>& path, size_t length, int change) {
    for (size_t at = length - std::min(length, kWindowBlocks); at < length; ++at) {
      const bool was_kept = path[at]->num_windows > 0;
      path[at]->num_windows += change;
      num_windows_ += static_cast<int64_t>(path[at]->num_windows > 0) - (was_kept ? 1 : 0);
    }
  }

  Node root_;
  int64_t num_blocks_ = 0, num_windows_ = 0;
  int64_t matched_tokens_ = 0, resumed_tokens_ = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Run() {
  std::vector<std::vector<TraceRequest>> replays;
  for (int seed = 1; seed <= absl::GetFlag(FLAGS_seeds); ++seed) {
    auto requests = ReadTraces({.folder = absl::GetFlag(FLAGS_traces),
                                .repeats = absl::GetFlag(FLAGS_repeats),
                                .seed = static_cast<uint32_t>(seed)});
    if (!requests.ok()) return ExitCodeFor(requests.status());
    replays.push_back(*std::move(requests));
  }
  int64_t num_tokens = 0;
  for (const TraceRequest& request : replays[0]) num_tokens += request.num_tokens;
  std::printf("%zu requests, %.1f Mtok of prompts, %zu starts\n", replays[0].size(),
              static_cast<double>(num_tokens) / 1e6, replays.size());
  std::printf("capacity Mtok,hit rate without hints,with hints\n");
  for (const double mtok : {0.25, 0.5, 1.0, 2.0, 4.0, 1e6}) {
    const auto blocks = static_cast<size_t>(mtok * 1e6 / kBlockTokens);
    std::vector<double> without, with;
    for (const auto& requests : replays) {
      without.push_back(HitRate(requests, blocks, false));
      with.push_back(HitRate(requests, blocks, true));
    }
    std::printf("%g,%.3f,%.3f\n", mtok, Median(without), Median(with));
  }
  Checkpoints checkpoints;
  for (const TraceRequest& request : replays[0]) checkpoints.Replay(request);
  std::printf(
      "checkpoints: %.2f %% of the bytes of dense storage (%.1f GB), %.2f %% of what matches is "
      "resumed\n",
      100 * checkpoints.bytes_of_dense(), checkpoints.gigabytes(),
      100 * checkpoints.resumed_of_matched());
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Replays sessions of agents against the store's policies.");
  return coterie::Run();
}
