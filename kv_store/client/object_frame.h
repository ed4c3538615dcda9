// ObjectFrame: v1::ObjectFrame as both ends of the wire see it, with a payload that is passed on as
// it lies: the node sends straight from its memory, and a received payload is copied once, to where
// it stays. On the wire it is the message of kv.proto; the fields come in order, the payload last.
// The payload may lie in shared memory instead.
#ifndef COTERIE_KV_STORE_CLIENT_OBJECT_FRAME_H_
#define COTERIE_KV_STORE_CLIENT_OBJECT_FRAME_H_

#include <grpcpp/impl/codegen/serialization_traits.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kv_store/block_id.h"
#include "kv_store/object.h"
#include "kv_store/payload.h"

namespace coterie {

class ObjectFrame {
 public:
  ObjectName name;
  uint64_t checksum = 0;
  bool missing = false;
  // Of a frame that was received: why it is not one. The rest is then without meaning.
  std::string malformed;

  // That is here.
  size_t payload_bytes() const;
  // A piece of the payload, which lies in shared memory instead.
  struct SharedPiece {
    uint64_t position = 0, bytes = 0, total_bytes = 0;
  };
  std::optional<SharedPiece> shared;

  // Of the payload that is here: copied once, into one piece.
  Payload GatherPayload() const;
  // bytes: kept until gRPC has sent them, as is `holder`, whatever it is.
  void SetPayload(const std::string& bytes, std::shared_ptr<const void> holder);
  void ClearPayload() { payload_.clear(); }

  void Serialize(grpc::ByteBuffer* buffer) const;
  // Never fails: see `malformed`.
  void Parse(grpc::ByteBuffer* buffer);

 private:
  std::vector<grpc::Slice> payload_;
};

}  // namespace coterie

// How gRPC reads and writes it.
template <>
class grpc::SerializationTraits<coterie::ObjectFrame> {
 public:
  static grpc::Status Serialize(const coterie::ObjectFrame& frame, grpc::ByteBuffer* buffer,
                                bool* own_buffer) {
    frame.Serialize(buffer);
    *own_buffer = true;
    return grpc::Status::OK;
  }
  static grpc::Status Deserialize(grpc::ByteBuffer* buffer, coterie::ObjectFrame* frame) {
    frame->Parse(buffer);
    return grpc::Status::OK;
  }
};

#endif  // COTERIE_KV_STORE_CLIENT_OBJECT_FRAME_H_
