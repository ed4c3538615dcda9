// GenerateRequest → EngineRequest: every field judged, the prompt tokenised.
#ifndef COTERIE_ROUTER_FRONTEND_REQUEST_READER_H_
#define COTERIE_ROUTER_FRONTEND_REQUEST_READER_H_

#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/tokenizer.h"
#include "proto/generate.pb.h"
#include "router/engine/sequence.h"

namespace coterie {

inline constexpr int kStopStringsMax = 16;
inline constexpr int kStopBytesMax = 256;
inline constexpr int kStopIdsMax = 16;
inline constexpr uint32_t kLogprobsMax = 21;
inline constexpr int64_t kDefaultMaxTokens = 256;

// InvalidArgument names the field, what was found and what is expected.
absl::StatusOr<EngineRequest> ReadRequest(const v1::GenerateRequest& request,
                                          const ModelConfig& config, const Tokenizer& tokenizer);

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_REQUEST_READER_H_
