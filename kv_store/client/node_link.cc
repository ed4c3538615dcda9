#include "kv_store/client/node_link.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kv_store/client/call_set.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/client/put_queue.h"
#include "kv_store/client/wire.h"
#include "proto/kv.grpc.pb.h"

namespace coterie {
namespace {

// One batch of writes: large enough that its two round trips cost nothing.
constexpr size_t kBatchBytes = size_t{32} << 20;
constexpr size_t kBatchObjects = 256;
// Of calls that nobody waits for.
constexpr absl::Duration kNoteTimeout = absl::Seconds(2);
// A node refuses a call that could stay for ever.
constexpr absl::Duration kCallMax = absl::Hours(1);
// More notes than these are not under way: a hint or a journal is then dropped.
constexpr int kNotesMax = 256;

std::shared_ptr<grpc::Channel> MakeChannel(const NodeLink::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kFrameBytesMax);
  arguments.SetMaxSendMessageSize(kFrameBytesMax);
  const int first_ms = static_cast<int>(absl::ToInt64Milliseconds(options.rest_first));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_ms);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, first_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.rest_last)));
  // A machine that vanished sends nothing, not even an end.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // links to one address fail alone
  return grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

class NodeLink::Core {
 public:
  explicit Core(Options options)
      : options_(std::move(options)),
        channel_(MakeChannel(options_)),
        stub_(v1::KvStore::NewStub(channel_)),
        get_method_(kGetMethod, grpc::internal::RpcMethod::SERVER_STREAMING, channel_),
        put_method_(kPutMethod, grpc::internal::RpcMethod::CLIENT_STREAMING, channel_),
        queue_(options_.put_queue_bytes) {
    writer_ = std::thread([this] { WriteQueue(); });
  }
  ~Core() { Close(); }

  void Close() {
    queue_.Close();
    calls_.Close();
    if (writer_.joinable()) writer_.join();
  }

  const Options& options() const { return options_; }

  bool IsUsable() const {
    std::lock_guard<std::mutex> lock(mu_);
    return absl::Now() >= rest_until_;
  }

  void Find(const std::vector<ObjectKey>& keys, absl::Time deadline, BlockStore::FindDone done) {
    auto call = std::make_shared<Unary<v1::FindRequest, v1::FindReply>>();
    call->request.set_keys(WriteKeys(keys));
    if (!Begin(call->context.get(), deadline)) return done(Closing());
    stub_->async()->Find(
        call->context.get(), &call->request, &call->reply,
        [this, call, count = keys.size(), done = std::move(done)](const grpc::Status& grpc_status) {
          const absl::Status status = Note(grpc_status);
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
    auto* call = new GetCall(this, keys, std::move(each), std::move(done));
    call->Start(deadline);
  }

  bool Put(PutObject object) {
    if (IsUsable() && queue_.Add(std::move(object))) return true;
    ++counts_.put_dropped;
    return false;
  }

  void Hint(const std::vector<ObjectKey>& keys, StoreHint hint) {
    auto call = std::make_shared<Unary<v1::HintRequest, v1::HintReply>>();
    call->request.set_keys(WriteKeys(keys));
    call->request.set_hint(static_cast<v1::HintKind>(hint));
    if (!BeginNote(call->context.get())) return;
    stub_->async()->Hint(
        call->context.get(), &call->request, &call->reply,
        [this, call](const grpc::Status& status) { EndNote(status, std::move(call->context)); });
  }

  void PutJournal(const std::string& request_id, uint64_t version, const std::string& bytes,
                  absl::Duration keep, BlockStore::JournalKept kept) {
    auto call = std::make_shared<Unary<v1::PutJournalRequest, v1::PutJournalReply>>();
    call->request.set_request_id(request_id);
    call->request.set_version(version);
    call->request.set_journal(bytes);
    call->request.set_keep_ms(
        static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(keep), 0)));
    if (!BeginNote(call->context.get())) return kept(false);
    stub_->async()->PutJournal(
        call->context.get(), &call->request, &call->reply,
        [this, call, kept = std::move(kept)](const grpc::Status& status) {
          // A later one is there already: that will do.
          kept(status.ok() || status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
          EndNote(status, std::move(call->context));
        });
  }

  void GetJournal(const std::string& request_id, absl::Time deadline,
                  BlockStore::JournalDone done) {
    auto call = std::make_shared<Unary<v1::GetJournalRequest, v1::GetJournalReply>>();
    call->request.set_request_id(request_id);
    if (!Begin(call->context.get(), deadline)) return done(Closing());
    stub_->async()->GetJournal(
        call->context.get(), &call->request, &call->reply,
        [this, call, done = std::move(done)](const grpc::Status& grpc_status) {
          const absl::Status status = Note(grpc_status);
          if (status.ok()) {
            done(StoredJournal{call->reply.version(), std::move(*call->reply.mutable_journal())});
          } else {
            done(status);
          }
          calls_.End(std::move(call->context));
        });
  }

  bool Flush(absl::Time deadline) { return queue_.Flush(deadline); }

  Counts counts() const {
    return {counts_.failed_calls, counts_.damaged, counts_.put_objects, counts_.put_present,
            counts_.put_dropped};
  }

 private:
  template <typename Request, typename Reply>
  struct Unary {
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
    Request request;
    Reply reply;
  };

  // One Get, from its start to its end; deletes itself then.
  class GetCall : public grpc::ClientReadReactor<ObjectFrame> {
   public:
    GetCall(Core* core, const std::vector<ObjectKey>& keys, Each each, BlockStore::GetDone done)
        : core_(core), keys_(keys), each_(std::move(each)), done_(std::move(done)) {
      request_.set_keys(WriteKeys(keys_));
    }

    void Start(absl::Time deadline) {
      if (!core_->Begin(context_.get(), deadline)) {
        done_(Closing());
        delete this;
        return;
      }
      grpc::internal::ClientCallbackReaderFactory<ObjectFrame>::Create(
          core_->channel_.get(), core_->get_method_, context_.get(), &request_, this);
      StartRead(&frame_);
      StartCall();
    }

    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (!frame_.malformed.empty() || next_ >= keys_.size() ||
          !(frame_.name.key == keys_[next_])) {
        // Not what was asked for: nothing of it can be trusted.
        ++core_->counts_.damaged;
        context_->TryCancel();
        return;
      }
      const size_t index = next_++;
      std::shared_ptr<const std::string> bytes;
      if (!frame_.missing) {
        bytes = frame_.CopyPayload();
        if (ObjectChecksum(keys_[index], *bytes) != frame_.checksum) {
          ++core_->counts_.damaged;
          bytes = nullptr;
        }
      }
      frame_.ClearPayload();
      each_(index, frame_.name, std::move(bytes));
      StartRead(&frame_);
    }

    void OnDone(const grpc::Status& grpc_status) override {
      absl::Status status = core_->Note(grpc_status);
      if (status.ok() && next_ < keys_.size())
        status = absl::InternalError(absl::StrCat(core_->Name(), "ended before all had come"));
      done_(status);
      Core* const core = core_;
      std::unique_ptr<grpc::ClientContext> context = std::move(context_);
      delete this;
      core->calls_.End(std::move(context));
    }

   private:
    Core* const core_;
    const std::vector<ObjectKey> keys_;
    Each each_;
    BlockStore::GetDone done_;
    std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
    v1::GetRequest request_;
    ObjectFrame frame_;
    size_t next_ = 0;
  };

  static absl::Status Closing() { return absl::CancelledError("the store is closing"); }
  std::string Name() const { return absl::StrCat("kv store ", options_.address, ": "); }

  // False when the link is closing.
  bool Begin(grpc::ClientContext* context, absl::Time deadline) {
    context->set_deadline(absl::ToChronoTime(std::min(deadline, absl::Now() + kCallMax)));
    context->AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
    return calls_.Add(context);
  }
  bool BeginNote(grpc::ClientContext* context) {
    if (!IsUsable()) return false;
    if (num_notes_.fetch_add(1) < kNotesMax && Begin(context, absl::Now() + kNoteTimeout))
      return true;
    num_notes_.fetch_sub(1);
    return false;
  }
  void EndNote(const grpc::Status& status, std::unique_ptr<grpc::ClientContext> context) {
    Note(status).IgnoreError();
    num_notes_.fetch_sub(1);
    calls_.End(std::move(context));
  }

  // What a call's end says about the node.
  absl::Status Note(const grpc::Status& status) {
    const bool failed = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                        status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
                        status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
                        status.error_code() == grpc::StatusCode::INTERNAL;
    std::lock_guard<std::mutex> lock(mu_);
    if (failed) {
      ++counts_.failed_calls;
      // Calls that were under way together fail together, and count once.
      if (absl::Now() >= rest_until_) {
        rest_ = std::clamp(rest_ * 2, options_.rest_first, options_.rest_last);
        rest_until_ = absl::Now() + rest_;
      }
    } else if (status.ok()) {
      rest_ = absl::ZeroDuration();
      rest_until_ = absl::InfinitePast();
    }
    if (status.ok()) return absl::OkStatus();
    return {static_cast<absl::StatusCode>(status.error_code()),
            absl::StrCat(Name(), status.error_message())};
  }

  // The writer's thread.
  void WriteQueue() {
    for (;;) {
      std::vector<PutObject> batch = queue_.Take(kBatchBytes, kBatchObjects);
      if (batch.empty()) return;
      const size_t num_taken = IsUsable() ? WriteBatch(batch) : 0;
      counts_.put_dropped += batch.size() - num_taken;
      queue_.Done(std::move(batch));
    }
  }

  // How many the node has now.
  size_t WriteBatch(const std::vector<PutObject>& batch) {
    const absl::Time deadline = absl::Now() + options_.put_timeout;
    const absl::StatusOr<std::vector<bool>> present = FindBatch(batch, deadline);
    if (!present.ok()) return 0;
    const auto num_present =
        static_cast<size_t>(std::count(present->begin(), present->end(), true));
    counts_.put_present += num_present;
    if (num_present == batch.size()) return num_present;

    auto context = std::make_unique<grpc::ClientContext>();
    if (!Begin(context.get(), deadline)) return num_present;
    v1::PutReply reply;
    std::unique_ptr<grpc::ClientWriter<ObjectFrame>> stream(
        grpc::internal::ClientWriterFactory<ObjectFrame>::Create(channel_.get(), put_method_,
                                                                 context.get(), &reply));
    for (size_t i = 0; i < batch.size(); ++i) {
      if ((*present)[i]) continue;
      ObjectFrame frame;
      frame.name = batch[i].name;
      frame.checksum = ObjectChecksum(batch[i].name.key, *batch[i].bytes);
      frame.SetPayload(*batch[i].bytes, batch[i].bytes);
      if (!stream->Write(frame)) break;
    }
    stream->WritesDone();
    const absl::Status status = Note(stream->Finish());
    stream = nullptr;
    calls_.End(std::move(context));
    if (!status.ok()) return num_present;
    counts_.put_objects += reply.stored();
    counts_.put_present += reply.present();
    return num_present + reply.stored() + reply.present();
  }

  absl::StatusOr<std::vector<bool>> FindBatch(const std::vector<PutObject>& batch,
                                              absl::Time deadline) {
    std::vector<ObjectKey> keys;
    keys.reserve(batch.size());
    for (const PutObject& object : batch) keys.push_back(object.name.key);
    Unary<v1::FindRequest, v1::FindReply> call;
    call.request.set_keys(WriteKeys(keys));
    if (!Begin(call.context.get(), deadline)) return Closing();
    const absl::Status status = Note(stub_->Find(call.context.get(), call.request, &call.reply));
    calls_.End(std::move(call.context));
    if (!status.ok()) return status;
    return ReadBits(call.reply.present(), keys.size());
  }

  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::KvStore::Stub> stub_;
  const grpc::internal::RpcMethod get_method_, put_method_;
  CallSet calls_;
  PutQueue queue_;
  struct {
    std::atomic<uint64_t> failed_calls{0}, damaged{0}, put_objects{0}, put_present{0},
        put_dropped{0};
  } counts_;
  std::atomic<int> num_notes_{0};

  mutable std::mutex mu_;  // guards what follows
  absl::Duration rest_;
  absl::Time rest_until_ = absl::InfinitePast();

  std::thread writer_;
};

NodeLink::NodeLink(Options options) : core_(std::make_unique<Core>(std::move(options))) {}
NodeLink::~NodeLink() = default;
void NodeLink::Close() { core_->Close(); }

bool NodeLink::IsUsable() const { return core_->IsUsable(); }
void NodeLink::Find(const std::vector<ObjectKey>& keys, absl::Time deadline,
                    BlockStore::FindDone done) {
  core_->Find(keys, deadline, std::move(done));
}
void NodeLink::Get(const std::vector<ObjectKey>& keys, absl::Time deadline, Each each,
                   BlockStore::GetDone done) {
  core_->Get(keys, deadline, std::move(each), std::move(done));
}
bool NodeLink::Put(PutObject object) { return core_->Put(std::move(object)); }
void NodeLink::Hint(const std::vector<ObjectKey>& keys, StoreHint hint) { core_->Hint(keys, hint); }
void NodeLink::PutJournal(const std::string& request_id, uint64_t version, const std::string& bytes,
                          absl::Duration keep, BlockStore::JournalKept kept) {
  core_->PutJournal(request_id, version, bytes, keep, std::move(kept));
}
void NodeLink::GetJournal(const std::string& request_id, absl::Time deadline,
                          BlockStore::JournalDone done) {
  core_->GetJournal(request_id, deadline, std::move(done));
}
bool NodeLink::Flush(absl::Time deadline) { return core_->Flush(deadline); }
const std::string& NodeLink::address() const { return core_->options().address; }
NodeLink::Counts NodeLink::counts() const { return core_->counts(); }

}  // namespace coterie
