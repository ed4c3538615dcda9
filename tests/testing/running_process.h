// RunningProcess: a serving binary of ours with the address that it serves at. Its files, of port
// and log, are `name` and `name`.log in the test's folder.
#ifndef COTERIE_TESTS_TESTING_RUNNING_PROCESS_H_
#define COTERIE_TESTS_TESTING_RUNNING_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/testing/child_process.h"

namespace coterie {

struct RunningProcess {
  std::unique_ptr<ChildProcess> process;
  std::string address;

  // Returns when it serves; aborts after a minute.
  static RunningProcess Start(const std::string& name, const std::string& binary,
                              std::vector<std::string> arguments);
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_RUNNING_PROCESS_H_
