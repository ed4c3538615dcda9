#include "kv_store/client/object_frame.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "proto/kv.pb.h"

namespace coterie {
namespace {

constexpr uint32_t kPayloadField = 15;
constexpr uint32_t kLengthDelimited = 2;
// All fields but the payload: two keys and a tenant, with room for fields to come.
constexpr size_t kHeadBytesMax = 4096;

void AppendVarint(uint64_t value, std::string* bytes) {
  for (; value >= 0x80; value >>= 7) bytes->push_back(static_cast<char>(value | 0x80));
  bytes->push_back(static_cast<char>(value));
}

// Reads over the pieces of a message.
class Cursor {
 public:
  explicit Cursor(const std::vector<grpc::Slice>& slices) : slices_(slices) {
    for (const grpc::Slice& slice : slices) left_ += slice.size();
  }
  size_t left() const { return left_; }

  std::optional<uint64_t> Varint(std::string* copy) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left_ == 0) return std::nullopt;
      const auto byte = static_cast<uint8_t>(*Here());
      Advance(1);
      copy->push_back(static_cast<char>(byte));
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  // False when there are not as many.
  bool Copy(size_t count, std::string* copy) {
    if (count > left_) return false;
    while (count > 0) {
      const size_t n = std::min(count, slices_[slice_].size() - at_);
      copy->append(Here(), n);
      Advance(n);
      count -= n;
    }
    return true;
  }
  // What is left, without copying.
  std::vector<grpc::Slice> Rest() {
    std::vector<grpc::Slice> rest;
    if (left_ == 0) return rest;
    Advance(0);
    rest.push_back(slices_[slice_].sub(at_, slices_[slice_].size()));
    rest.insert(rest.end(), slices_.begin() + static_cast<std::ptrdiff_t>(slice_) + 1,
                slices_.end());
    return rest;
  }

 private:
  const char* Here() {
    while (at_ == slices_[slice_].size()) {
      ++slice_;
      at_ = 0;
    }
    return reinterpret_cast<const char*>(slices_[slice_].begin()) + at_;
  }
  void Advance(size_t count) {
    at_ += count;
    left_ -= count;
    while (slice_ + 1 < slices_.size() && at_ == slices_[slice_].size()) {
      ++slice_;
      at_ = 0;
    }
  }

  const std::vector<grpc::Slice>& slices_;
  size_t slice_ = 0, at_ = 0, left_ = 0;
};

// All fields before the payload, as they are; the cursor then stands at the payload, or the end.
// Nothing when this is no message, or another one.
std::optional<std::string> Head(Cursor* cursor) {
  std::string head;
  while (cursor->left() > 0) {
    const size_t before = head.size();
    const std::optional<uint64_t> tag = cursor->Varint(&head);
    if (!tag) return std::nullopt;
    if (*tag == (kPayloadField << 3 | kLengthDelimited)) {
      const std::optional<uint64_t> length = cursor->Varint(&head);
      if (!length || *length != cursor->left()) return std::nullopt;
      head.resize(before);
      return head;
    }
    size_t bytes = 0;
    switch (*tag & 7) {
      case 0:
        if (!cursor->Varint(&head)) return std::nullopt;
        break;
      case 1:
        bytes = 8;
        break;
      case 2: {
        const std::optional<uint64_t> length = cursor->Varint(&head);
        if (!length) return std::nullopt;
        bytes = static_cast<size_t>(*length);
        break;
      }
      case 5:
        bytes = 4;
        break;
      default:
        return std::nullopt;
    }
    if (bytes > kHeadBytesMax || !cursor->Copy(bytes, &head) || head.size() > kHeadBytesMax)
      return std::nullopt;
  }
  return head;
}

}  // namespace

size_t ObjectFrame::payload_bytes() const {
  size_t bytes = 0;
  for (const grpc::Slice& slice : payload_) bytes += slice.size();
  return bytes;
}

Payload ObjectFrame::GatherPayload() const {
  PayloadGatherer gatherer(name.key, payload_bytes());
  for (const grpc::Slice& slice : payload_)
    CHECK(gatherer.Add({reinterpret_cast<const char*>(slice.begin()), slice.size()}));
  return gatherer.Take();
}

void ObjectFrame::SetPayload(const std::string& bytes, std::shared_ptr<const void> holder) {
  // That it is made before it ends is known to the slice's count of references, inside gRPC, where
  // ThreadSanitizer does not see it: hence once more.
  struct Held {
    const std::shared_ptr<const void> holder;
    std::atomic<bool> is_made{false};
  };
  auto* held = new Held{std::move(holder)};
  held->is_made.store(true, std::memory_order_release);
  const auto let_go = [](void* user_data) {
    const auto* done = static_cast<Held*>(user_data);
    CHECK(done->is_made.load(std::memory_order_acquire));
    delete done;
  };
  payload_.clear();
  payload_.emplace_back(const_cast<char*>(bytes.data()), bytes.size(), let_go, held);
}

void ObjectFrame::Serialize(grpc::ByteBuffer* buffer) const {
  v1::ObjectFrame message;
  AppendKey(name.key, message.mutable_key());
  message.set_checksum(checksum);
  message.set_missing(missing);
  if (!(name.parent == name.key)) AppendKey(name.parent, message.mutable_parent());
  message.set_tenant(name.tenant);
  if (shared) {
    message.mutable_shared()->set_position(shared->position);
    message.mutable_shared()->set_bytes(shared->bytes);
    message.mutable_shared()->set_total_bytes(shared->total_bytes);
  }
  std::string head = message.SerializeAsString();
  if (!missing && !shared) {
    AppendVarint(kPayloadField << 3 | kLengthDelimited, &head);
    AppendVarint(payload_bytes(), &head);
  }
  std::vector<grpc::Slice> slices = {grpc::Slice(head)};
  if (!missing && !shared) slices.insert(slices.end(), payload_.begin(), payload_.end());
  grpc::ByteBuffer made(slices.data(), slices.size());
  buffer->Swap(&made);
}

void ObjectFrame::Parse(grpc::ByteBuffer* buffer) {
  *this = ObjectFrame();
  std::vector<grpc::Slice> slices;
  const bool can_be_read = buffer->Dump(&slices).ok();
  buffer->Clear();  // it is ours
  if (!can_be_read) {
    malformed = "a frame that cannot be read";
    return;
  }
  Cursor cursor(slices);
  const std::optional<std::string> head = Head(&cursor);
  v1::ObjectFrame message;
  if (!head || !message.ParseFromString(*head)) {
    malformed = "not a frame with its payload last";
    return;
  }
  const std::optional<ObjectKey> key = ReadKey(message.key());
  const std::optional<ObjectKey> parent =
      message.parent().empty() ? key : ReadKey(message.parent());
  if (!key || !parent) {
    malformed = absl::StrCat("a key of ", message.key().size(), " bytes and a parent of ",
                             message.parent().size(), ", ", kKeyBytes, " are one of a known kind");
    return;
  }
  if (message.tenant().size() > kTenantBytesMax) {
    malformed = absl::StrCat("a tenant of ", message.tenant().size(), " characters, ",
                             kTenantBytesMax, " are allowed");
    return;
  }
  name = {*key, *parent, message.tenant()};
  checksum = message.checksum();
  missing = message.missing();
  if (const v1::SharedPayload& piece = message.shared(); message.has_shared())
    shared = {piece.position(), piece.bytes(), piece.total_bytes()};
  payload_ = cursor.Rest();
  if (shared && !payload_.empty()) malformed = "a payload here and in shared memory";
}

}  // namespace coterie
