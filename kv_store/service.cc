#include "kv_store/service.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/wire.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

// Objects of one ScanReply.
constexpr int kScanBatch = 1000;
// What a router says that a journal is to be kept is not taken for longer.
constexpr absl::Duration kJournalKeepMax = absl::Hours(24);

std::string NewInstanceId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// By when the work of a call must have ended, so that its answer still arrives.
absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const absl::Time now = MonotonicNow();
  return now + (FromSystemClock(context.deadline()) - now) * 0.9;
}

}  // namespace

KvStoreService::KvStoreService(StoreNode* node, ObjectsService* objects, CallGate* gate)
    : node_(node), objects_(objects), gate_(gate), instance_id_(NewInstanceId()) {}

grpc::Status KvStoreService::Describe(grpc::ServerContext*, const v1::DescribeStoreRequest*,
                                      v1::StoreDescription* reply) {
  const MemoryTier& memory = node_->memory();
  reply->set_format_version(kWireVersion);
  reply->set_instance_id(instance_id_);
  reply->set_sealed(objects_->sealed());
  reply->set_memory_bytes(memory.used_bytes());
  reply->set_memory_capacity_bytes(memory.options().capacity_bytes);
  reply->set_memory_objects(memory.num_objects());
  if (const DiskTier* disk = node_->disk(); disk != nullptr) {
    reply->set_disk_bytes(disk->file_bytes());
    reply->set_disk_capacity_bytes(disk->options().capacity_bytes);
    reply->set_disk_objects(disk->num_objects());
  }
  reply->set_write_queue_bytes(node_->write_queue_bytes());
  reply->set_journals(node_->journals().size());
  if (objects_->windows() != nullptr) reply->set_shared_memory(objects_->windows()->socket_name());
  for (const auto& [tenant, bytes] : memory.tenant_bytes())
    (*reply->mutable_tenant_bytes())[tenant] = bytes;
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Find(grpc::ServerContext* context, const v1::FindRequest* request,
                                  v1::FindReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  const absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  reply->set_present(WriteBits(node_->Find(*keys, MonotonicNow())));
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Hint(grpc::ServerContext* context, const v1::HintRequest* request,
                                  v1::HintReply*) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  const absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  if (!v1::HintKind_IsValid(request->hint()))
    return gate_->Refuse(absl::StrFormat("hint %d is not known", request->hint()));
  node_->Hint(*keys, static_cast<StoreHint>(request->hint()), MonotonicNow());
  return grpc::Status::OK;
}

grpc::Status KvStoreService::PutJournal(grpc::ServerContext* context,
                                        const v1::PutJournalRequest* request,
                                        v1::PutJournalReply*) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  const auto longest = static_cast<uint64_t>(absl::ToInt64Milliseconds(kJournalKeepMax));
  const absl::Duration keep =
      absl::Milliseconds(static_cast<int64_t>(std::min(request->keep_ms(), longest)));
  const absl::Time now = MonotonicNow();
  const absl::Status status = node_->journals().Put(
      request->request_id(), {request->version(), request->journal()}, now + keep, now);
  if (absl::IsInvalidArgument(status)) return gate_->Refuse(std::string(status.message()));
  return ToGrpc(status);
}

grpc::Status KvStoreService::GetJournal(grpc::ServerContext* context,
                                        const v1::GetJournalRequest* request,
                                        v1::GetJournalReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  absl::StatusOr<StoredJournal> journal =
      node_->journals().Get(request->request_id(), MonotonicNow());
  if (!journal.ok()) return ToGrpc(journal.status());
  reply->set_version(journal->version);
  reply->set_journal(std::move(journal->bytes));
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Scan(grpc::ServerContext* context, const v1::ScanRequest* request,
                                  grpc::ServerWriter<v1::ScanReply>* writer) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  v1::ScanReply reply;
  node_->List([&](const StoreNode::Listed& listed) {
    if (!request->tenant().empty() && request->tenant() != listed.name.tenant) return true;
    v1::ScannedObject* object = reply.add_objects();
    AppendKey(listed.name.key, object->mutable_key());
    AppendKey(listed.name.parent, object->mutable_parent());
    object->set_tenant(listed.name.tenant);
    object->set_payload_bytes(listed.payload_bytes);
    object->set_in_memory(listed.in_memory);
    object->set_on_disk(listed.on_disk);
    if (reply.objects_size() < kScanBatch) return true;
    const bool go_on = writer->Write(reply);
    reply.Clear();
    return go_on;
  });
  if (reply.objects_size() > 0) writer->Write(reply);
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Verify(grpc::ServerContext* context, const v1::VerifyRequest* request,
                                    v1::VerifyReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  const absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  const absl::Time deadline = DeadlineOf(*context);
  const StoreNode::Verified verified =
      keys->empty() ? node_->Verify(deadline) : node_->Verify(*keys, deadline);
  reply->set_sound(verified.num_sound);
  reply->set_damaged(verified.num_damaged);
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Evict(grpc::ServerContext* context, const v1::EvictRequest* request,
                                   v1::EvictReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  absl::StatusOr<std::vector<ObjectKey>> keys = ReadKeys(request->keys());
  if (!keys.ok()) return gate_->Refuse(std::string(keys.status().message()));
  if (!request->tenant().empty()) {
    node_->List([&](const StoreNode::Listed& listed) {
      if (listed.name.tenant == request->tenant()) keys->push_back(listed.name.key);
      return true;
    });
  }
  // From the end, as contexts are forgotten.
  for (size_t i = keys->size(); i-- > 0;)
    reply->set_evicted(reply->evicted() + (node_->Remove((*keys)[i]) ? 1 : 0));
  return grpc::Status::OK;
}

grpc::Status KvStoreService::Seal(grpc::ServerContext* context, const v1::SealRequest*,
                                  v1::SealReply* reply) {
  const CallGate::Pass pass = gate_->Enter(*context);
  if (!pass.status().ok()) return pass.status();
  objects_->Seal();
  reply->set_flushed(node_->Flush(DeadlineOf(*context)));
  return grpc::Status::OK;
}

}  // namespace coterie
