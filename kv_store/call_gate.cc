#include "kv_store/call_gate.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "kv_store/client/wire.h"
#include "ops/process/clock.h"

namespace coterie {

grpc::Status CallGate::TryEnter(const grpc::ServerContext& context) {
  if (context.deadline() == std::chrono::system_clock::time_point::max())
    return Refuse("a call without a deadline; set one");
  const auto version = context.client_metadata().find(kVersionMetadata);
  if (version == context.client_metadata().end() || version->second != absl::StrCat(kWireVersion)) {
    ++num_refused_;
    return {grpc::StatusCode::UNIMPLEMENTED,
            absl::StrCat("this kv_store speaks version ", kWireVersion, ", and the metadata ",
                         kVersionMetadata, " does not name it")};
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (closed_) return {grpc::StatusCode::UNAVAILABLE, "draining"};
  if (num_calls_ >= calls_max_) {
    ++num_refused_;
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            absl::StrCat(calls_max_, " calls are here already; try later")};
  }
  ++num_calls_;
  return grpc::Status::OK;
}

void CallGate::Leave() {
  std::lock_guard<std::mutex> lock(mu_);
  --num_calls_;
  left_.notify_all();
}

void CallGate::Close(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  closed_ = true;
  const auto until =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
  left_.wait_until(lock, until, [&] { return num_calls_ == 0; });
}

int CallGate::num_calls() const {
  std::lock_guard<std::mutex> lock(mu_);
  return num_calls_;
}

}  // namespace coterie
