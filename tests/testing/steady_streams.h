// SteadyStreams: requests that go on and on, each beginning again when it has ended, while a test
// does things to the cluster: none may fail, every one has its tokens, and how long each stood
// still is known.
#ifndef COTERIE_TESTS_TESTING_STEADY_STREAMS_H_
#define COTERIE_TESTS_TESTING_STEADY_STREAMS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "proto/generate.grpc.pb.h"

namespace coterie {

class SteadyStreams {
 public:
  // stub: not owned, outlives this. expected: the tokens of each request.
  SteadyStreams(v1::Generator::Stub* stub, std::vector<v1::GenerateRequest> requests,
                std::vector<std::vector<int32_t>> expected);
  ~SteadyStreams() { Stop(); }

  // Lets what is under way end.
  void Stop();
  // The longest gaps between two tokens in milliseconds, one of each stream, since the last call.
  std::vector<double> TakeGaps();
  int num_finished() const { return num_finished_; }

 private:
  using Clock = std::chrono::steady_clock;

  void Run(size_t stream);

  v1::Generator::Stub* const stub_;
  const std::vector<v1::GenerateRequest> requests_;
  const std::vector<std::vector<int32_t>> expected_;
  std::atomic<bool> stop_{false};
  std::atomic<int> num_finished_{0};
  std::mutex mu_;  // guards what follows
  std::vector<double> gaps_ms_;
  std::vector<Clock::time_point> last_;
  std::vector<std::thread> threads_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_STEADY_STREAMS_H_
