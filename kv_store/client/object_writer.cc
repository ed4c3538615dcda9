#include "kv_store/client/object_writer.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "kv_store/client/key_list.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/client/wire.h"
#include "kv_store/payload.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

// One batch: large enough that its two round trips cost nothing.
constexpr size_t kBatchBytes = size_t{32} << 20;
constexpr size_t kBatchObjects = 256;

}  // namespace

ObjectWriter::ObjectWriter(NodeCalls* calls, size_t queue_bytes, absl::Duration batch_timeout)
    : calls_(calls),
      batch_timeout_(batch_timeout),
      method_(kPutMethod, grpc::internal::RpcMethod::CLIENT_STREAMING, calls->channel()),
      queue_(queue_bytes),
      thread_([this] { Run(); }) {}

ObjectWriter::~ObjectWriter() {
  BeginClosing();
  Close();
}

void ObjectWriter::Close() {
  if (thread_.joinable()) thread_.join();
}

bool ObjectWriter::Put(PutObject object) {
  if (calls_->IsUsable() && queue_.Add(std::move(object))) return true;
  ++dropped_;
  return false;
}

void ObjectWriter::Run() {
  for (;;) {
    std::vector<PutObject> batch = queue_.Take(kBatchBytes, kBatchObjects);
    if (batch.empty()) return;
    const size_t num_taken = calls_->IsUsable() ? Write(batch) : 0;
    dropped_ += batch.size() - num_taken;
    queue_.Done(std::move(batch));
  }
}

size_t ObjectWriter::Write(const std::vector<PutObject>& batch) {
  const absl::Time deadline = MonotonicNow() + batch_timeout_;
  const absl::StatusOr<std::vector<bool>> present = Find(batch, deadline);
  if (!present.ok()) return 0;
  const auto num_present = static_cast<size_t>(std::count(present->begin(), present->end(), true));
  present_ += num_present;
  if (num_present == batch.size()) return num_present;

  auto context = std::make_unique<grpc::ClientContext>();
  std::unique_ptr<SharedLink::Lease> lease;
  if (!calls_->BeginWithWindow(context.get(), deadline, &lease)) return num_present;
  const auto give_up = [&] {
    return calls_->is_closing() || !lease->IsAlive() || MonotonicNow() >= deadline;
  };
  v1::PutReply reply;
  std::unique_ptr<grpc::ClientWriter<ObjectFrame>> stream(
      grpc::internal::ClientWriterFactory<ObjectFrame>::Create(calls_->channel().get(), method_,
                                                               context.get(), &reply));
  for (size_t i = 0; i < batch.size(); ++i) {
    if ((*present)[i]) continue;
    ObjectFrame frame;
    frame.name = batch[i].name;
    if (lease != nullptr) {
      if (!WritePieces(stream.get(), &lease->ring(), *batch[i].bytes, give_up, &frame)) break;
    } else {
      frame.checksum = ObjectChecksum(batch[i].name.key, *batch[i].bytes);
      frame.SetPayload(*batch[i].bytes, batch[i].bytes);
      if (!stream->Write(frame)) break;
    }
  }
  stream->WritesDone();
  const absl::Status status = calls_->Note(stream->Finish());
  stream = nullptr;
  calls_->End(std::move(context));
  if (!status.ok()) return num_present;
  stored_ += reply.stored();
  present_ += reply.present();
  return num_present + reply.stored() + reply.present();
}

bool ObjectWriter::WritePieces(grpc::ClientWriter<ObjectFrame>* stream, SharedRing* ring,
                               std::span<const char> payload, const std::function<bool()>& give_up,
                               ObjectFrame* frame) {
  const uint64_t total = payload.size();
  ChecksumOfPieces checksum(frame->name.key);
  do {
    const std::span<const char> piece =
        payload.first(std::min(payload.size(), SharedWindow::kPieceMax));
    payload = payload.subspan(piece.size());
    checksum.Add(piece);
    if (payload.empty()) frame->checksum = checksum.checksum();
    const std::optional<uint64_t> position = ring->Write(piece, give_up);
    if (!position) return false;
    frame->shared = {*position, piece.size(), total};
    if (!stream->Write(*frame)) return false;
  } while (!payload.empty());
  return true;
}

absl::StatusOr<std::vector<bool>> ObjectWriter::Find(const std::vector<PutObject>& batch,
                                                     absl::Time deadline) {
  std::vector<ObjectKey> keys;
  keys.reserve(batch.size());
  for (const PutObject& object : batch) keys.push_back(object.name.key);
  UnaryCall<v1::FindRequest, v1::FindReply> call;
  call.request.set_keys(WriteKeys(keys));
  if (!calls_->Begin(call.context.get(), deadline)) return NodeCalls::Closing();
  const absl::Status status =
      calls_->Note(calls_->stub().Find(call.context.get(), call.request, &call.reply));
  calls_->End(std::move(call.context));
  if (!status.ok()) return status;
  return ReadBits(call.reply.present(), keys.size());
}

}  // namespace coterie
