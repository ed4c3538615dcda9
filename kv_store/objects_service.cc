#include "kv_store/objects_service.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/wire.h"

namespace coterie {

// As generated code does it, but for the type of the frames.
ObjectsService::ObjectsService(StoreNode* node, CallGate* gate) : node_(node), gate_(gate) {
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
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  const absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  for (const ObjectKey& key : *keys) {
    if (context->IsCancelled()) break;
    ObjectFrame frame;
    frame.name.key = frame.name.parent = key;
    frame.missing = true;
    // One at a time: a slow reader holds what is on its way to it, no more.
    if (const ObjectRef object = node_->Read(key, absl::Now()); object != nullptr) {
      frame.name = object->name();
      frame.missing = false;
      frame.checksum = object->checksum();
      frame.SetPayload(object->payload(), object);
      read_bytes_ += object->payload().size();
    }
    if (!writer->Write(frame, grpc::WriteOptions().set_no_compression())) break;
  }
  return grpc::Status::OK;
}

grpc::Status ObjectsService::Put(grpc::ServerContext* context,
                                 grpc::ServerReader<ObjectFrame>* reader, v1::PutReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  if (sealed_) return {grpc::StatusCode::UNAVAILABLE, "sealed: another node takes objects"};
  ObjectFrame frame;
  for (uint32_t n = 0; reader->Read(&frame); ++n) {
    if (!frame.malformed.empty())
      return gate_->Refuse(absl::StrCat("frame ", n, ": ", frame.malformed));
    if (n >= kKeysMax) return gate_->Refuse(absl::StrCat("more than ", kKeysMax, " frames"));
    switch (Take(frame)) {
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
  return grpc::Status::OK;
}

ObjectsService::Taken ObjectsService::Take(const ObjectFrame& frame) {
  if (sealed_) return Taken::kRefused;
  absl::StatusOr<Reservation> reservation =
      node_->Reserve(frame.name, frame.payload_bytes(), absl::Now());
  if (absl::IsAlreadyExists(reservation.status())) return Taken::kPresent;
  if (!reservation.ok()) return Taken::kRefused;
  const absl::Status status =
      node_->Commit(*std::move(reservation), frame.CopyPayload(), frame.checksum, absl::Now());
  if (absl::IsAlreadyExists(status)) return Taken::kPresent;
  if (!status.ok()) return Taken::kRefused;
  written_bytes_ += frame.payload_bytes();
  return Taken::kStored;
}

}  // namespace coterie
