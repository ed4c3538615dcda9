// Announcer: tells routers where this worker is, once a second for as long as it lives. A router
// that does not answer is told again; one that refuses is named in the log.
//
// Thread-compatible; its threads are its own. The destructor waits for a call under way, two
// seconds at most.
#ifndef COTERIE_EXPERT_WORKER_ANNOUNCER_H_
#define COTERIE_EXPERT_WORKER_ANNOUNCER_H_

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace coterie {

class Announcer {
 public:
  struct Options {
    std::vector<std::string> routers;  // host:port or unix:/path
    std::string address;               // where routers reach this worker
    std::string model_digest, expert_format;
    std::string token;  // the cluster's shared secret; empty: none
    absl::Duration period = absl::Seconds(1);
  };

  explicit Announcer(Options options);
  ~Announcer();

 private:
  void Announce(const std::string& router);

  const Options options_;
  std::mutex mu_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::vector<std::thread> threads_;  // one for each router
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_ANNOUNCER_H_
