#include "router/journal/journal_writer.h"

#include <utility>

#include "router/journal/request_log.h"

namespace coterie {

JournalWriter::JournalWriter(BlockStore* store, absl::Duration interval, absl::Duration keep,
                             JournalMetrics* metrics)
    : store_(store), interval_(interval), keep_(keep), metrics_(metrics), thread_([this] {
        Run();
      }) {}

void JournalWriter::Post(std::shared_ptr<RequestLog> log, bool soon) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (stopping_) return;
    logs_.push_back(std::move(log));
    soon_ |= soon;
  }
  posted_.notify_one();
}

void JournalWriter::Stop() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  posted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void JournalWriter::Run() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    posted_.wait(lock, [&] { return stopping_ || !logs_.empty(); });
    if (logs_.empty()) return;
    std::vector<std::shared_ptr<RequestLog>> logs = std::exchange(logs_, {});
    soon_ = false;
    lock.unlock();
    for (const auto& log : logs) log->Write(store_, keep_, metrics_);
    logs.clear();
    lock.lock();
    posted_.wait_for(lock, absl::ToChronoNanoseconds(interval_),
                     [&] { return stopping_ || soon_; });
  }
}

}  // namespace coterie
