#include "tests/testing/steady_streams.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace coterie {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

}  // namespace

SteadyStreams::SteadyStreams(v1::Generator::Stub* stub, std::vector<v1::GenerateRequest> requests,
                             std::vector<std::vector<int32_t>> expected)
    : stub_(stub),
      requests_(std::move(requests)),
      expected_(std::move(expected)),
      gaps_ms_(requests_.size()),
      last_(requests_.size(), Clock::now()) {
  for (size_t i = 0; i < requests_.size(); ++i) threads_.emplace_back([this, i] { Run(i); });
}

void SteadyStreams::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<double> SteadyStreams::TakeGaps() {
  std::lock_guard<std::mutex> lock(mu_);
  const Clock::time_point now = Clock::now();
  for (size_t i = 0; i < gaps_ms_.size(); ++i)
    gaps_ms_[i] = std::max(gaps_ms_[i], Milliseconds(now - last_[i]).count());
  return std::exchange(gaps_ms_, std::vector<double>(requests_.size()));
}

void SteadyStreams::Run(size_t stream) {
  while (!stop_) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
    const auto reader = stub_->Generate(&context, requests_[stream]);
    std::vector<int32_t> ids;
    for (v1::GenerateReply reply; reader->Read(&reply);) {
      for (const v1::GeneratedToken& token : reply.tokens()) ids.push_back(token.id());
      const Clock::time_point now = Clock::now();
      std::lock_guard<std::mutex> lock(mu_);
      gaps_ms_[stream] = std::max(gaps_ms_[stream], Milliseconds(now - last_[stream]).count());
      last_[stream] = now;
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << "stream " << stream << ": " << status.error_message();
    EXPECT_EQ(ids, expected_[stream]) << "stream " << stream;
    ++num_finished_;
  }
}

}  // namespace coterie
