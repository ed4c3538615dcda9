// Sessions of coding agents, from the JSON of public traces (shared/traces/claude-code), as
// requests in the order of their arrival.
#ifndef COTERIE_BENCH_KV_TRACE_H_
#define COTERIE_BENCH_KV_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace coterie {

struct TraceRequest {
  absl::Time arrival, end;
  int64_t num_tokens = 0;
  // One for each block of 64 tokens, the same for the same content in the same place: those of a
  // session are its own but for tools and system prompt, which sessions of equal ones share.
  std::vector<uint64_t> blocks;
  std::optional<absl::Duration>
      pause;  // from its end to the session's next request; none: the last
};

struct TraceOptions {
  std::string folder;
  int repeats = 1;               // each session so often, as if others had it
  int64_t context_max = 262144;  // longer requests are left out
  absl::Duration starts_within = absl::Hours(1);
  absl::Duration pause_max = absl::Minutes(10);
  uint32_t seed = 1;  // of the sessions' starts
};

// NotFound: no trace in the folder. InvalidArgument: a file that is none.
absl::StatusOr<std::vector<TraceRequest>> ReadTraces(const TraceOptions& options);

}  // namespace coterie

#endif  // COTERIE_BENCH_KV_TRACE_H_
