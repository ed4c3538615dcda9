#include "kv_store/objects_service.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/wire.h"
#include "kv_store/payload.h"
#include "ops/process/clock.h"

namespace coterie {

// As generated code does it, but for the type of the frames.
ObjectsService::ObjectsService(StoreNode* node, CallGate* gate, const SharedWindows* windows)
    : node_(node), gate_(gate), windows_(windows) {
  AddMethod(new grpc::internal::RpcServiceMethod(
      kGetMethod, grpc::internal::RpcMethod::SERVER_STREAMING,
      new grpc::internal::ServerStreamingHandler<ObjectsService, v1::GetRequest, ObjectFrame>(
          [](ObjectsService* service, grpc::ServerContext* context, const v1::GetRequest* request,
             grpc::ServerWriter<ObjectFrame>* writer) {
            return service->Get(context, request, writer);
          },
          this)));
  AddMethod(new grpc::internal::RpcServiceMethod(
      kPutMethod, grpc::internal::RpcMethod::CLIENT_STREAMING,
      new grpc::internal::ClientStreamingHandler<ObjectsService, ObjectFrame, v1::PutReply>(
          [](ObjectsService* service, grpc::ServerContext* context,
             grpc::ServerReader<ObjectFrame>* reader,
             v1::PutReply* reply) { return service->Put(context, reader, reply); },
          this)));
}

grpc::Status ObjectsService::Get(grpc::ServerContext* context, const v1::GetRequest* request,
                                 grpc::ServerWriter<ObjectFrame>* writer) {
  std::optional<SharedRing> ring;
  grpc::Status found = RingOf(*context, &ring);
  // Whatever this returns, the client may use the region again.
  const absl::Cleanup over = [&] {
    if (ring) ring->SetOver();
  };
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  if (!found.ok()) return found;
  const absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  const auto write = [&](const ObjectFrame& frame) {
    return !context->IsCancelled() &&
           writer->Write(frame, grpc::WriteOptions().set_no_compression());
  };
  for (const ObjectKey& key : *keys) {
    ObjectFrame frame;
    frame.name.key = frame.name.parent = key;
    frame.missing = true;
    // One at a time: a slow reader holds what is on its way to it, no more.
    const ObjectRef object = node_->Read(key, MonotonicNow());
    if (object != nullptr) {
      frame.name = object->name();
      frame.missing = false;
      frame.checksum = object->checksum();
      read_bytes_ += object->payload().size();
    }
    if (object == nullptr || !ring) {
      if (object != nullptr) frame.SetPayload(object->payload(), object);
      if (!write(frame)) break;
    } else if (!WritePieces(*context, &*ring, object->payload(), &frame, write)) {
      break;
    }
  }
  return grpc::Status::OK;
}

bool ObjectsService::WritePieces(const grpc::ServerContext& context, SharedRing* ring,
                                 std::span<const char> payload, ObjectFrame* frame,
                                 absl::FunctionRef<bool(const ObjectFrame&)> write) {
  const uint64_t total = payload.size();
  do {
    const std::span<const char> piece =
        payload.first(std::min(payload.size(), SharedWindow::kPieceMax));
    payload = payload.subspan(piece.size());
    const auto position = ring->Write(piece, [&] { return context.IsCancelled(); });
    if (!position) return false;
    frame->shared = {*position, piece.size(), total};
    if (!write(*frame)) return false;
    shared_bytes_ += piece.size();
  } while (!payload.empty());
  return true;
}

// An object whose payload comes in pieces.
class ObjectsService::Incoming {
 public:
  Incoming(ObjectsService* service, const ObjectFrame& first)
      : name_(first.name),
        reservation_(service->node_->Reserve(name_, first.shared->total_bytes, MonotonicNow())),
        gatherer_(name_.key, reservation_.ok() ? first.shared->total_bytes : 0),
        left_(first.shared->total_bytes) {}

  // False: it is not the next piece of this object.
  bool Add(const ObjectFrame& frame, std::span<const char> piece) {
    if (!(frame.name.key == name_.key) || piece.size() > left_) return false;
    left_ -= piece.size();
    // What has no place is taken nevertheless, and forgotten.
    return !reservation_.ok() || gatherer_.Add(piece);
  }
  bool IsWhole() const { return left_ == 0; }
  absl::StatusOr<Reservation> TakeReservation() { return std::move(reservation_); }
  Payload TakePayload() { return gatherer_.Take(); }

 private:
  const ObjectName name_;
  absl::StatusOr<Reservation> reservation_;
  PayloadGatherer gatherer_;
  uint64_t left_;
};

grpc::Status ObjectsService::Put(grpc::ServerContext* context,
                                 grpc::ServerReader<ObjectFrame>* reader, v1::PutReply* reply) {
  std::optional<SharedRing> ring;
  grpc::Status found = RingOf(*context, &ring);
  // Whatever this returns, the client may use the region again.
  const absl::Cleanup over = [&] {
    if (ring) ring->SetOver();
  };
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  if (!found.ok()) return found;
  if (sealed_) return {grpc::StatusCode::UNAVAILABLE, "sealed: another node takes objects"};
  ObjectFrame frame;
  std::optional<Incoming> incoming;
  for (uint32_t n = 0; reader->Read(&frame);) {
    const auto refuse = [&](absl::string_view why) {
      return gate_->Refuse(absl::StrCat("object ", n, ": ", why));
    };
    if (!frame.malformed.empty()) return refuse(frame.malformed);
    if (n >= kKeysMax) return refuse(absl::StrCat("more than ", kKeysMax));
    if (!frame.shared) {
      if (incoming) return refuse("pieces of the one before are missing");
      Count(Take(
                node_->Reserve(frame.name, frame.payload_bytes(), MonotonicNow()),
                [&] { return frame.GatherPayload(); }, frame.checksum),
            reply);
      ++n;
      continue;
    }
    std::optional<std::span<const char>> piece;
    if (ring) piece = ring->At(frame.shared->position, frame.shared->bytes);
    if (!piece || frame.shared->total_bytes > kObjectBytesMax)
      return refuse("a payload that is not in shared memory");
    if (!incoming) incoming.emplace(this, frame);
    if (!incoming->Add(frame, *piece)) return refuse("a piece of another one");
    ring->Taken(frame.shared->position, frame.shared->bytes);
    shared_bytes_ += piece->size();
    if (!incoming->IsWhole()) continue;
    Count(Take(
              incoming->TakeReservation(), [&] { return incoming->TakePayload(); }, frame.checksum),
          reply);
    incoming.reset();
    ++n;
  }
  return grpc::Status::OK;
}

void ObjectsService::Count(Taken taken, v1::PutReply* reply) {
  switch (taken) {
    case Taken::kStored:
      reply->set_stored(reply->stored() + 1);
      break;
    case Taken::kPresent:
      reply->set_present(reply->present() + 1);
      break;
    case Taken::kRefused:
      reply->set_refused(reply->refused() + 1);
      break;
  }
}

grpc::Status ObjectsService::RingOf(const grpc::ServerContext& context,
                                    std::optional<SharedRing>* ring) {
  const auto name = context.client_metadata().find(kWindowMetadata);
  if (name == context.client_metadata().end()) return grpc::Status::OK;
  if (windows_ != nullptr) *ring = windows_->Ring({name->second.data(), name->second.size()});
  if (ring->has_value()) return grpc::Status::OK;
  return {grpc::StatusCode::FAILED_PRECONDITION,
          "the window is not known here; hand one over, or do without"};
}

ObjectsService::Taken ObjectsService::Take(absl::StatusOr<Reservation> reservation,
                                           absl::FunctionRef<Payload()> payload,
                                           uint64_t checksum) {
  if (absl::IsAlreadyExists(reservation.status())) return Taken::kPresent;
  if (!reservation.ok() || sealed_) return Taken::kRefused;
  const size_t size = reservation->size();
  const absl::Status status =
      node_->Commit(*std::move(reservation), payload(), checksum, MonotonicNow());
  if (absl::IsAlreadyExists(status)) return Taken::kPresent;
  if (!status.ok()) return Taken::kRefused;
  written_bytes_ += size;
  return Taken::kStored;
}

}  // namespace coterie
