// ObjectsService: v1.KvObjects, reading and writing objects. What is read goes to the network
// straight from memory, and is held there until it is sent; what is written is copied once. To and
// from a router that shares memory with this node payloads go through that.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_KV_STORE_OBJECTS_SERVICE_H_
#define COTERIE_KV_STORE_OBJECTS_SERVICE_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kv_store/call_gate.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/client/shared_window.h"
#include "kv_store/shared_windows.h"
#include "kv_store/store_node.h"
#include "proto/kv.pb.h"

namespace coterie {

class ObjectsService final : public grpc::Service {
 public:
  struct Counts {
    uint64_t read_bytes = 0, written_bytes = 0;  // of payloads
    uint64_t shared_bytes = 0;                   // of both, through shared memory
  };

  // Not owned, outlive this. windows: null: none.
  ObjectsService(StoreNode* node, CallGate* gate, const SharedWindows* windows = nullptr);

  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   grpc::ServerWriter<ObjectFrame>* writer);
  grpc::Status Put(grpc::ServerContext* context, grpc::ServerReader<ObjectFrame>* reader,
                   v1::PutReply* reply);

  // From now on objects are refused.
  void Seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }
  Counts counts() const { return {read_bytes_, written_bytes_, shared_bytes_}; }
  // Null: none.
  const SharedWindows* windows() const { return windows_; }

 private:
  enum class Taken { kStored, kPresent, kRefused };
  class Incoming;

  // payload: asked for when there is a place for it.
  Taken Take(absl::StatusOr<Reservation> reservation, absl::FunctionRef<Payload()> payload,
             uint64_t checksum);
  static void Count(Taken taken, v1::PutReply* reply);
  // False: the call is to end.
  bool WritePieces(const grpc::ServerContext& context, SharedRing* ring,
                   std::span<const char> payload, ObjectFrame* frame,
                   absl::FunctionRef<bool(const ObjectFrame&)> write);
  // Nothing: the call names none. FAILED_PRECONDITION: one that is not known.
  grpc::Status RingOf(const grpc::ServerContext& context, std::optional<SharedRing>* ring);

  StoreNode* const node_;
  CallGate* const gate_;
  const SharedWindows* const windows_;
  std::atomic<bool> sealed_{false};
  std::atomic<uint64_t> read_bytes_{0}, written_bytes_{0}, shared_bytes_{0};
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_OBJECTS_SERVICE_H_
