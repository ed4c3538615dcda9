#include "ops/process/port_file.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace coterie {

absl::Status WritePortFile(const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  const std::string unfinished = path + ".unfinished";
  {
    std::ofstream file(unfinished, std::ios::trunc);
    file << port << "\n";
    file.close();
    if (!file) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot write the port to ", unfinished, ": does the directory exist?"));
    }
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot rename ", unfinished, " to ", path));
  }
  return absl::OkStatus();
}

}  // namespace coterie
