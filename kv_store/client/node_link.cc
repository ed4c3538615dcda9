#include "kv_store/client/node_link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "kv_store/client/key_list.h"
#include "kv_store/client/node_calls.h"
#include "kv_store/client/object_get.h"
#include "kv_store/client/object_writer.h"

namespace coterie {

class NodeLink::Core {
 public:
  explicit Core(const Options& options)
      : address_(options.address),
        calls_({options.address, options.rest_first, options.rest_last}),
        writer_(&calls_, options.put_queue_bytes, options.put_timeout) {}
  ~Core() { Close(); }

  void Close() {
    writer_.BeginClosing();
    calls_.Close();
    writer_.Close();
  }

  void CancelOverdue() { calls_.CancelOverdue(); }
  bool IsUsable() const { return calls_.IsUsable(); }
  bool SharesMemory() const { return calls_.SharesMemory(); }
  const std::string& address() const { return address_; }
  ObjectWriter& writer() { return writer_; }

  void Find(const std::vector<ObjectKey>& keys, absl::Time deadline, BlockStore::FindDone done) {
    calls_.OpenWindow();  // a Get follows soon
    auto call = std::make_shared<UnaryCall<v1::FindRequest, v1::FindReply>>();
    call->request.set_keys(WriteKeys(keys));
    if (!calls_.Begin(call->context.get(), deadline)) return done(NodeCalls::Closing());
    calls_.stub().async()->Find(
        call->context.get(), &call->request, &call->reply,
        [this, call, count = keys.size(), done = std::move(done)](const grpc::Status& grpc_status) {
          const absl::Status status = calls_.Note(grpc_status);
          if (status.ok()) {
            done(ReadBits(call->reply.present(), count));
          } else {
            done(status);
          }
          calls_.End(std::move(call->context));
        });
  }

  void Get(const std::vector<ObjectKey>& keys, absl::Time deadline, Each each,
           BlockStore::GetDone done) {
    StartObjectGet(&calls_, keys, deadline,
                   {.each = std::move(each),
                    .damaged =
                        [this](const ObjectKey* key) {
                          ++num_damaged_;
                          if (key != nullptr) Doubt(*key);
                        },
                    .done = std::move(done)});
  }

  void Hint(const std::vector<ObjectKey>& keys, StoreHint hint) {
    auto call = std::make_shared<UnaryCall<v1::HintRequest, v1::HintReply>>();
    call->request.set_keys(WriteKeys(keys));
    call->request.set_hint(static_cast<v1::HintKind>(hint));
    if (!calls_.BeginNote(call->context.get())) return;
    calls_.stub().async()->Hint(call->context.get(), &call->request, &call->reply,
                                [this, call](const grpc::Status& status) {
                                  calls_.EndNote(status, std::move(call->context));
                                });
  }

  void PutJournal(const std::string& request_id, uint64_t version, const std::string& bytes,
                  absl::Duration keep, BlockStore::JournalKept kept) {
    auto call = std::make_shared<UnaryCall<v1::PutJournalRequest, v1::PutJournalReply>>();
    call->request.set_request_id(request_id);
    call->request.set_version(version);
    call->request.set_journal(bytes);
    call->request.set_keep_ms(
        static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(keep), 0)));
    if (!calls_.BeginNote(call->context.get())) return kept(false);
    calls_.stub().async()->PutJournal(
        call->context.get(), &call->request, &call->reply,
        [this, call, kept = std::move(kept)](const grpc::Status& status) {
          // A later one is there already: that will do.
          kept(status.ok() || status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
          calls_.EndNote(status, std::move(call->context));
        });
  }

  void GetJournal(const std::string& request_id, absl::Time deadline,
                  BlockStore::JournalDone done) {
    auto call = std::make_shared<UnaryCall<v1::GetJournalRequest, v1::GetJournalReply>>();
    call->request.set_request_id(request_id);
    if (!calls_.Begin(call->context.get(), deadline)) return done(NodeCalls::Closing());
    calls_.stub().async()->GetJournal(
        call->context.get(), &call->request, &call->reply,
        [this, call, done = std::move(done)](const grpc::Status& grpc_status) {
          const absl::Status status = calls_.Note(grpc_status);
          if (status.ok()) {
            done(StoredJournal{call->reply.version(), std::move(*call->reply.mutable_journal())});
          } else {
            done(status);
          }
          calls_.End(std::move(call->context));
        });
  }

  Counts counts() const {
    const ObjectWriter::Counts written = writer_.counts();
    return {calls_.num_failed(), num_damaged_, written.stored, written.present, written.dropped};
  }

 private:
  // What came damaged may be so where it is kept: the node looks, and forgets it then.
  void Doubt(const ObjectKey& key) {
    auto call = std::make_shared<UnaryCall<v1::VerifyRequest, v1::VerifyReply>>();
    call->request.set_keys(WriteKeys({&key, 1}));
    if (!calls_.BeginNote(call->context.get())) return;
    calls_.stub().async()->Verify(call->context.get(), &call->request, &call->reply,
                                  [this, call](const grpc::Status& status) {
                                    calls_.EndNote(status, std::move(call->context));
                                  });
  }

  const std::string address_;
  NodeCalls calls_;
  ObjectWriter writer_;
  std::atomic<uint64_t> num_damaged_{0};
};

NodeLink::NodeLink(const Options& options) : core_(std::make_unique<Core>(options)) {}
NodeLink::~NodeLink() = default;
void NodeLink::Close() { core_->Close(); }

void NodeLink::CancelOverdue() { core_->CancelOverdue(); }
bool NodeLink::IsUsable() const { return core_->IsUsable(); }
bool NodeLink::SharesMemory() const { return core_->SharesMemory(); }
void NodeLink::Find(const std::vector<ObjectKey>& keys, absl::Time deadline,
                    BlockStore::FindDone done) {
  core_->Find(keys, deadline, std::move(done));
}
void NodeLink::Get(const std::vector<ObjectKey>& keys, absl::Time deadline, Each each,
                   BlockStore::GetDone done) {
  core_->Get(keys, deadline, std::move(each), std::move(done));
}
bool NodeLink::Put(PutObject object) { return core_->writer().Put(std::move(object)); }
void NodeLink::Hint(const std::vector<ObjectKey>& keys, StoreHint hint) { core_->Hint(keys, hint); }
void NodeLink::PutJournal(const std::string& request_id, uint64_t version, const std::string& bytes,
                          absl::Duration keep, BlockStore::JournalKept kept) {
  core_->PutJournal(request_id, version, bytes, keep, std::move(kept));
}
void NodeLink::GetJournal(const std::string& request_id, absl::Time deadline,
                          BlockStore::JournalDone done) {
  core_->GetJournal(request_id, deadline, std::move(done));
}
bool NodeLink::Flush(absl::Time deadline) { return core_->writer().Flush(deadline); }
const std::string& NodeLink::address() const { return core_->address(); }
NodeLink::Counts NodeLink::counts() const { return core_->counts(); }

}  // namespace coterie
