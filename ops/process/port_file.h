// A small file by which a process that chose its own port tells it to whoever started it.
#ifndef COTERIE_OPS_PROCESS_PORT_FILE_H_
#define COTERIE_OPS_PROCESS_PORT_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace coterie {

// Writes `port` and a newline. A reader sees the whole file or none (write, then rename). Empty
// path: nothing to do.
absl::Status WritePortFile(const std::string& path, int port);

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_PORT_FILE_H_
