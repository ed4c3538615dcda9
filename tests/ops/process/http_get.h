// One GET over HTTP/1.0 to a port of this machine, for tests of /metrics.
#ifndef COTERIE_TESTS_OPS_PROCESS_HTTP_GET_H_
#define COTERIE_TESTS_OPS_PROCESS_HTTP_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

// The body of http://127.0.0.1:port/path. An answer other than 200 is an Unknown status with its
// first line.
absl::StatusOr<std::string> HttpGet(int port, absl::string_view path);

}  // namespace coterie

#endif  // COTERIE_TESTS_OPS_PROCESS_HTTP_GET_H_
