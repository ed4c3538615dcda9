#include "tests/testing/running_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace coterie {

RunningProcess RunningProcess::Start(const std::string& name, const std::string& binary,
                                     std::vector<std::string> arguments) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  unlink(path.c_str());
  arguments.push_back("--port_file=" + path);
  RunningProcess running{.process =
                             std::make_unique<ChildProcess>(binary, arguments, path + ".log")};
  running.address = absl::StrCat("127.0.0.1:", WaitForPort(path));
  return running;
}

}  // namespace coterie
