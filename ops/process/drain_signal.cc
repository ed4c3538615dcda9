#include "ops/process/drain_signal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "absl/time/clock.h"
#include "kernels/check.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

sigset_t DrainSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

DrainSignal::DrainSignal(std::function<void(int)> leave) : leave_(std::move(leave)) {
  const sigset_t signals = DrainSignals();
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &signals, nullptr), 0);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  CHECK(signal_fd_ >= 0 && stop_fd_ >= 0) << "cannot watch for signals: no file descriptors left";
  watcher_ = std::thread([this] { Watch(); });
}

DrainSignal::~DrainSignal() {
  const uint64_t one = 1;
  CHECK_EQ(write(stop_fd_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  watcher_.join();
  close(signal_fd_);
  close(stop_fd_);
}

void DrainSignal::Wait() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return requested_; });
}

bool DrainSignal::WaitFor(absl::Duration timeout) {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return requested_; });
}

void DrainSignal::Request() {
  std::lock_guard lock(mu_);
  requested_ = true;
  changed_.notify_all();
}

void DrainSignal::ExitAtOnce(int signal) {
  LogWarning("leaving at once", {{"signal", signal}});
  _exit(128 + signal);
}

void DrainSignal::Watch() {
  int num_signals = 0;
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;  // EINTR is the one error there can be
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    if (++num_signals > 1 || !something_to_finish_) leave_(static_cast<int>(info.ssi_signo));
    Request();
  }
}

}  // namespace coterie
