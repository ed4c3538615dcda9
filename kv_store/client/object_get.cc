#include "kv_store/client/object_get.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/client/wire.h"
#include "kv_store/payload.h"

namespace coterie {
namespace {

// Deletes itself at its end.
class ObjectGet : public grpc::ClientReadReactor<ObjectFrame> {
 public:
  ObjectGet(NodeCalls* calls, const std::vector<ObjectKey>& keys, ObjectGetEvents events)
      : calls_(calls),
        method_(kGetMethod, grpc::internal::RpcMethod::SERVER_STREAMING, calls->channel()),
        keys_(keys),
        events_(std::move(events)) {
    request_.set_keys(WriteKeys(keys_));
  }

  void Start(absl::Time deadline) {
    if (!calls_->BeginWithWindow(context_.get(), deadline, &lease_)) {
      events_.done(NodeCalls::Closing());
      delete this;
      return;
    }
    grpc::internal::ClientCallbackReaderFactory<ObjectFrame>::Create(
        calls_->channel().get(), method_, context_.get(), &request_, this);
    StartRead(&frame_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (!IsExpected()) {
      // Not what was asked for: nothing of it can be trusted.
      events_.damaged(nullptr);
      context_->TryCancel();
      return;
    }
    if (frame_.missing) {
      Came(Payload());
    } else if (!frame_.shared) {
      Came(frame_.GatherPayload());
    } else if (TakePiece()) {
      Came(gathering_->Take());
      gathering_.reset();
    }
    frame_.ClearPayload();
    StartRead(&frame_);
  }

  void OnDone(const grpc::Status& grpc_status) override {
    lease_ = nullptr;
    absl::Status status = calls_->Note(grpc_status);
    if (status.ok() && next_ < keys_.size())
      status = absl::InternalError(absl::StrCat(calls_->Name(), "ended before all had come"));
    events_.done(status);
    NodeCalls* const calls = calls_;
    std::unique_ptr<grpc::ClientContext> context = std::move(context_);
    delete this;
    calls->End(std::move(context));
  }

 private:
  bool IsExpected() const {
    if (!frame_.malformed.empty() || next_ >= keys_.size() || !(frame_.name.key == keys_[next_]))
      return false;
    if (!frame_.shared) return !gathering_;
    return !frame_.missing && lease_ != nullptr &&
           lease_->ring().At(frame_.shared->position, frame_.shared->bytes) &&
           frame_.shared->total_bytes <= kObjectBytesMax &&
           (!gathering_ || gathering_->size() == frame_.shared->total_bytes);
  }

  // True: that was the last. One beyond the whole makes it damaged.
  bool TakePiece() {
    const auto& [position, size, total] = *frame_.shared;
    if (!gathering_) gathering_.emplace(keys_[next_], static_cast<size_t>(total));
    const bool fits = gathering_->Add(*lease_->ring().At(position, size));
    lease_->ring().Taken(position, size);
    return gathering_->IsWhole() || !fits;
  }

  // The next object. No bytes: it is missing.
  void Came(Payload payload) {
    const size_t index = next_++;
    if (payload.bytes != nullptr && payload.checksum != frame_.checksum) {
      payload.bytes = nullptr;
      events_.damaged(&keys_[index]);
    }
    events_.each(index, frame_.name, std::move(payload.bytes));
  }

  NodeCalls* const calls_;
  const grpc::internal::RpcMethod method_;
  const std::vector<ObjectKey> keys_;
  const ObjectGetEvents events_;
  std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
  v1::GetRequest request_;
  std::unique_ptr<SharedLink::Lease> lease_;  // null: all comes by the wire
  ObjectFrame frame_;
  std::optional<PayloadGatherer> gathering_;  // the next object, while it comes in pieces
  size_t next_ = 0;
};

}  // namespace

void StartObjectGet(NodeCalls* calls, const std::vector<ObjectKey>& keys, absl::Time deadline,
                    ObjectGetEvents events) {
  (new ObjectGet(calls, keys, std::move(events)))->Start(deadline);
}

}  // namespace coterie
