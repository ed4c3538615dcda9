// The cluster's shared secret: a file with one line, the same for all processes of a cluster. It
// travels as metadata of the calls by which one process joins another.
#ifndef COTERIE_OPS_PROCESS_CLUSTER_TOKEN_H_
#define COTERIE_OPS_PROCESS_CLUSTER_TOKEN_H_

#include <string>

#include "absl/status/statusor.h"

namespace coterie {

inline constexpr char kClusterTokenMetadata[] = "coterie-cluster-token";

// Empty for an empty path: no secret. InvalidArgument: the file cannot be read, or has no line of
// 16 to 256 visible ASCII characters.
absl::StatusOr<std::string> ReadClusterToken(const std::string& path);

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_CLUSTER_TOKEN_H_
