#include "kv_store/client/shared_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv_store/client/local_socket.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(200);
constexpr absl::Duration kTryAgain = absl::Seconds(5);

}  // namespace

struct SharedLink::Opened {
  enum class Use { kFree, kLeased, kSpent };

  std::unique_ptr<SharedWindow> window;
  OwnedFd socket;  // open as long as the node lives and knows the window
  uint64_t id = 0;
  std::mutex mu;
  std::array<Use, SharedWindow::kRegions> uses = {};  // guarded by mu
};

SharedLink::Lease::Lease(std::shared_ptr<Opened> opened, size_t region)
    : opened_(std::move(opened)), region_(region), ring_(opened_->window->ring(region)) {
  ring_.Reset();
}

std::string SharedLink::Lease::Name() const { return absl::StrCat(opened_->id, ".", region_); }

bool SharedLink::Lease::IsAlive() const { return coterie::IsOpen(opened_->socket.get()); }

SharedLink::Lease::~Lease() {
  std::lock_guard<std::mutex> lock(opened_->mu);
  opened_->uses[region_] = ring_.IsOver() ? Opened::Use::kFree : Opened::Use::kSpent;
}

std::unique_ptr<SharedLink::Lease> SharedLink::Acquire() {
  std::lock_guard<std::mutex> lock(mu_);
  if (opened_ == nullptr) return nullptr;
  if (!coterie::IsOpen(opened_->socket.get())) {
    opened_ = nullptr;
    return nullptr;
  }
  std::lock_guard<std::mutex> uses_lock(opened_->mu);
  std::array<Opened::Use, SharedWindow::kRegions>& uses = opened_->uses;
  const auto num_spent = std::count(uses.begin(), uses.end(), Opened::Use::kSpent);
  // Another one is made then; the calls that use this one keep it.
  if (2 * static_cast<size_t>(num_spent) >= uses.size()) is_worn_ = true;
  const auto free = std::find(uses.begin(), uses.end(), Opened::Use::kFree);
  if (free == uses.end()) return nullptr;
  *free = Opened::Use::kLeased;
  return std::unique_ptr<Lease>(new Lease(opened_, static_cast<size_t>(free - uses.begin())));
}

bool SharedLink::IsOpen() const {
  std::lock_guard<std::mutex> lock(mu_);
  return opened_ != nullptr && coterie::IsOpen(opened_->socket.get());
}

bool SharedLink::BeginOpening() {
  std::lock_guard<std::mutex> lock(mu_);
  const absl::Time now = MonotonicNow();
  if ((opened_ != nullptr && !is_worn_) || opening_ || now - tried_ < kTryAgain) return false;
  opening_ = true;
  tried_ = now;
  return true;
}

void SharedLink::Open(const std::string& name) {
  auto opened = std::make_shared<Opened>();
  bool is_open = false;
  if (auto socket = ConnectLocally(name); socket.ok()) {
    auto window = SharedWindow::Create();
    if (window.ok() && SendFd(socket->get(), (*window)->fd())) {
      const std::optional<uint64_t> id = ReceiveNumber(socket->get(), kPatience);
      opened->window = *std::move(window);
      opened->socket = *std::move(socket);
      opened->id = id.value_or(0);
      is_open = id.has_value();
    }
  }
  std::lock_guard<std::mutex> lock(mu_);
  opening_ = false;
  if (!is_open) return;
  opened_ = std::move(opened);
  is_worn_ = false;
}

void SharedLink::Fail() {
  std::lock_guard<std::mutex> lock(mu_);
  opening_ = false;
}

}  // namespace coterie
