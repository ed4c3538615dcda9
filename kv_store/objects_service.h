// ObjectsService: v1.KvObjects, reading and writing objects. What is read goes to the network
// straight from memory, and is held there until it is sent; what is written is copied once.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_KV_STORE_OBJECTS_SERVICE_H_
#define COTERIE_KV_STORE_OBJECTS_SERVICE_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <cstdint>

#include "kv_store/call_gate.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/store_node.h"
#include "proto/kv.pb.h"

namespace coterie {

class ObjectsService final : public grpc::Service {
 public:
  struct Counts {
    uint64_t read_bytes = 0, written_bytes = 0;
  };

  // Not owned, outlive this.
  ObjectsService(StoreNode* node, CallGate* gate);

  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   grpc::ServerWriter<ObjectFrame>* writer);
  grpc::Status Put(grpc::ServerContext* context, grpc::ServerReader<ObjectFrame>* reader,
                   v1::PutReply* reply);

  // From now on objects are refused.
  void Seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }
  Counts counts() const { return {read_bytes_, written_bytes_}; }

 private:
  enum class Taken { kStored, kPresent, kRefused };
  Taken Take(const ObjectFrame& frame);

  StoreNode* const node_;
  CallGate* const gate_;
  std::atomic<bool> sealed_{false};
  std::atomic<uint64_t> read_bytes_{0}, written_bytes_{0};
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_OBJECTS_SERVICE_H_
