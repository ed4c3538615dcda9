#include "bench/kv/trace.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

using Json = nlohmann::json;
constexpr int64_t kBlockTokens = 64;

// The requests of one agent, the main one or a sub-agent.
struct Lane {
  std::vector<const Json*> requests;
  bool is_main = false;
};

std::vector<Lane> LanesOf(const Json& session, int64_t context_max) {
  std::vector<Lane> lanes(1);
  lanes[0].is_main = true;
  const auto add = [&](Lane* lane, const Json& request) {
    if (request.contains("hash_ids") && request.at("in").get<int64_t>() <= context_max)
      lane->requests.push_back(&request);
  };
  for (const Json& request : session.at("requests")) {
    if (!request.contains("requests")) {
      add(&lanes[0], request);
      continue;
    }
    Lane lane;
    for (const Json& nested : request.at("requests")) add(&lane, nested);
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

void AddLane(const Json& session, const Lane& lane, uint64_t name, absl::Time start,
             const TraceOptions& options, std::vector<TraceRequest>* requests) {
  const auto tools = session.at("tool_tokens").get<int64_t>();
  const auto system = session.at("system_tokens").get<int64_t>();
  const size_t first = requests->size();
  absl::Time at = start;
  for (size_t i = 0; i < lane.requests.size(); ++i) {
    const Json& json = *lane.requests[i];
    const absl::Duration took = absl::Seconds(json.value("api_time", 0.0));
    if (i > 0) {
      const Json& before = *lane.requests[i - 1];
      const absl::Duration gap = absl::Seconds(json.value("t", 0.0) - before.value("t", 0.0)) -
                                 absl::Seconds(before.value("api_time", 0.0));
      const absl::Duration pause = std::clamp(gap, absl::ZeroDuration(), options.pause_max);
      requests->back().pause = pause;
      at = requests->back().end + pause;
    }
    TraceRequest request{.arrival = at, .end = at + took, .num_tokens = json.at("in")};
    const Json& ids = json.at("hash_ids");
    for (size_t b = 0; b < ids.size(); ++b) {
      const bool is_shared =
          lane.is_main && static_cast<int64_t>(b) < (tools + system) / kBlockTokens;
      const auto id = ids[b].get<uint64_t>();
      const uint64_t previous = b == 0 ? 0 : request.blocks.back();
      request.blocks.push_back(is_shared ? absl::HashOf(previous, tools, system, b)
                                         : absl::HashOf(previous, name, id));
    }
    requests->push_back(std::move(request));
  }
  if (requests->size() > first) requests->back().pause = std::nullopt;
}

}  // namespace

absl::StatusOr<std::vector<TraceRequest>> ReadTraces(const TraceOptions& options) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options.folder, error)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty())
    return absl::NotFoundError(absl::StrCat("no .json of a trace in ", options.folder));
  std::mt19937 random(options.seed);
  std::vector<TraceRequest> requests;
  uint64_t name = 0;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    for (const std::string& path : paths) {
      std::ifstream stream(path);
      try {
        const Json session = Json::parse(stream);
        const absl::Time start =
            absl::UnixEpoch() +
            options.starts_within * (static_cast<double>(random()) / 4294967296.0);
        for (const Lane& lane : LanesOf(session, options.context_max))
          AddLane(session, lane, ++name, start, options, &requests);
      } catch (const Json::exception& e) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": ", e.what()));
      }
    }
  }
  std::stable_sort(requests.begin(), requests.end(),
                   [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
  return requests;
}

}  // namespace coterie
