#include "kv_store/shared_windows.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

constexpr int kLookMs = 500;
// Until who has connected has handed its window over.
constexpr absl::Duration kPatience = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<SharedWindows>> SharedWindows::Start() {
  std::random_device random;
  std::string name = absl::StrFormat("coterie-kv-%08x%08x", random(), random());
  ASSIGN_OR_RETURN(OwnedFd listener, ListenLocally(name));
  int wake[2];
  if (pipe2(wake, O_CLOEXEC) != 0) return absl::UnavailableError("no pipe");
  return std::unique_ptr<SharedWindows>(
      new SharedWindows(std::move(name), std::move(listener), OwnedFd(wake[0]), OwnedFd(wake[1])));
}

SharedWindows::SharedWindows(std::string name, OwnedFd listener, OwnedFd wake_from, OwnedFd wake_to)
    : name_(std::move(name)),
      listener_(std::move(listener)),
      wake_from_(std::move(wake_from)),
      wake_to_(std::move(wake_to)),
      thread_([this] { Run(); }) {}

SharedWindows::~SharedWindows() {
  CHECK_EQ(write(wake_to_.get(), "e", 1), 1);
  thread_.join();
}

void SharedWindows::Run() {
  bool accepts = true;
  for (;;) {
    // Without the listener for a while after it failed: it would say at once that it is ready.
    std::vector<pollfd> polled = {{wake_from_.get(), POLLIN, 0},
                                  {accepts ? listener_.get() : -1, POLLIN, 0}};
    std::vector<uint64_t> ids;
    for (const auto& [id, held] : held_) {
      polled.push_back({held.socket.get(), POLLIN, 0});
      ids.push_back(id);
    }
    const int num_ready = poll(polled.data(), polled.size(), kLookMs);
    if (num_ready > 0 && polled[0].revents != 0) return;
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool has_news = num_ready > 0 && polled[i + 2].revents != 0;
      if (has_news ? Hear(ids[i]) : MayStay(ids[i])) continue;
      std::lock_guard<std::mutex> lock(mu_);
      held_.erase(ids[i]);
    }
    accepts = num_ready <= 0 || polled[1].revents == 0 || Accept();
  }
}

bool SharedWindows::Accept() {
  OwnedFd socket = AcceptLocally(listener_.get());
  if (socket.get() < 0) {
    LogWarning("window not accepted", {{"reason", "no descriptor, or the router is gone"}});
    return false;
  }
  if (!IsOfThisUser(socket.get())) {
    LogWarning("window refused", {{"reason", "another user's process"}});
    return true;
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (held_.size() < kWindowsMax)
    held_[NewId()] = {.socket = std::move(socket), .since = MonotonicNow(), .window = nullptr};
  return true;
}

bool SharedWindows::MayStay(uint64_t id) const {
  const Held& held = held_.at(id);
  return held.window != nullptr || MonotonicNow() - held.since < kPatience;
}

bool SharedWindows::Hear(uint64_t id) {
  Held& held = held_.at(id);
  if (held.window != nullptr) return false;  // has no more to say: it is the end
  OwnedFd fd = ReceiveFd(held.socket.get());
  if (fd.get() < 0) return false;
  absl::StatusOr<std::unique_ptr<SharedWindow>> window = SharedWindow::Map(fd.Release());
  if (!window.ok()) {
    LogWarning("window refused", {{"reason", window.status().message()}});
    return false;
  }
  {
    std::lock_guard<std::mutex> lock(mu_);
    held.window = *std::move(window);
  }
  return SendNumber(held.socket.get(), id);
}

uint64_t SharedWindows::NewId() { return (uint64_t{random_()} << 32 | random_()) | 1; }

std::optional<SharedRing> SharedWindows::Ring(absl::string_view name) const {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  uint64_t id = 0, region = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &id) ||
      !absl::SimpleAtoi(parts[1], &region) || region >= SharedWindow::kRegions) {
    return std::nullopt;
  }
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = held_.find(id);
  if (it == held_.end() || it->second.window == nullptr) return std::nullopt;
  return it->second.window->ring(region);
}

size_t SharedWindows::size() const {
  std::lock_guard<std::mutex> lock(mu_);
  size_t count = 0;
  for (const auto& [_, held] : held_) count += held.window != nullptr;
  return count;
}

}  // namespace coterie
