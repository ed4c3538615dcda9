// ChildProcess: a built binary of ours, started by a test and ended with it.
#ifndef COTERIE_TESTS_TESTING_CHILD_PROCESS_H_
#define COTERIE_TESTS_TESTING_CHILD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace coterie {

class ChildProcess {
 public:
  // stderr goes to `log`. Aborts when it cannot be started.
  ChildProcess(const std::string& binary, const std::vector<std::string>& arguments,
               const std::string& log);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Signal(int signal);
  // Waits for the end; the exit code, or minus the signal.
  int Wait();

 private:
  pid_t pid_ = -1;
};

// Waits until `path` holds a number, which a process writes when it serves. Aborts after a minute.
int WaitForPort(const std::string& path);

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_CHILD_PROCESS_H_
