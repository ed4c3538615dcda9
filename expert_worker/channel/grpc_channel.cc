#include "expert_worker/channel/grpc_channel.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/message_pool.h"
#include "expert_worker/channel/wire.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {
namespace {

// Frames that wait for the network on one link. A worker that takes nothing is soon sent nothing;
// this is for the few that were on their way to it.
constexpr size_t kWaitingFramesMax = 64;
// From the last message of a stream to its verdict.
constexpr absl::Duration kFinishTimeout = absl::Milliseconds(200);

std::shared_ptr<grpc::Channel> MakeGrpcChannel(const GrpcChannel::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kCombineBytesMax);
  arguments.SetMaxSendMessageSize(kDispatchBytesMax);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLinkWindowBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const int first_ms = static_cast<int>(absl::ToInt64Milliseconds(options.retry_first));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_ms);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, first_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.retry_last)));
  // A machine that vanished sends nothing, not even an end.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // links to one address fail alone
  return grpc::CreateCustomChannel(options.worker.address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// What an error that came as an answer means to the router.
absl::Status ReadError(const absl::Status& error, const std::string& address) {
  // What router and worker say to each other is no mistake of the client's. code() is Unknown for
  // what is no code at all.
  const bool is_theirs =
      absl::IsInvalidArgument(error) || absl::IsUnknown(error) || absl::IsOutOfRange(error);
  const auto code = is_theirs ? absl::StatusCode::kInternal : error.code();
  return absl::Status(code, absl::StrCat("expert worker ", address, ": ", error.message()));
}

}  // namespace

// Invariants, all guarded by mu_. stream_ is non-null from a little before the link is up until
// after nothing of it is under way; writes begin only while state_.connected. One write is under
// way at most; frames_ wait behind it. An id is in pending_ until its end was put into the inbox;
// all in it belong to the connection of now.
class GrpcChannel::Link {
 public:
  Link(Options options, int worker, DispatchInbox* inbox)
      : options_(std::move(options)),
        worker_(worker),
        inbox_(inbox),
        stub_(v1::ExpertWorker::NewStub(MakeGrpcChannel(options_))) {
    state_.status =
        absl::UnavailableError(absl::StrCat("expert worker ", address(), ": not connected yet"));
    keeper_ = std::thread([this] { Keep(); });
  }

  ~Link() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stop_ = true;
      if (context_ != nullptr) context_->TryCancel();
    }
    changed_.notify_all();
    keeper_.join();
    events_.Shutdown();
    void* tag;
    bool ok;
    while (events_.Next(&tag, &ok)) {
    }
  }

  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration timeout) {
    std::shared_ptr<v1::DispatchRequest> frame = frames_pool_.Take();
    FillDispatch(batch, frame.get());
    frame->set_timeout_us(static_cast<uint64_t>(absl::ToInt64Microseconds(timeout)));
    std::lock_guard<std::mutex> lock(mu_);
    if (!state_.connected) return absl::UnavailableError(state_.status.message());
    if (frames_.size() >= kWaitingFramesMax) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "expert worker ", address(), ": ", frames_.size(), " dispatches wait for the network"));
    }
    frame->set_dispatch_id(++last_id_);
    frame->set_epoch(state_.epoch);
    pending_.insert(last_id_);
    frames_.push_back(std::move(frame));
    WriteNext();
    return last_id_;
  }

  void Reset(const absl::Status& reason) {
    SetDisconnected(reason);
    std::lock_guard<std::mutex> lock(mu_);
    if (context_ != nullptr) context_->TryCancel();
  }

  State state() const {
    std::lock_guard<std::mutex> lock(mu_);
    return state_;
  }

  void Learn(const HeldReport& report) {
    std::lock_guard<std::mutex> lock(mu_);
    if (!state_.connected || report.instance != instance_ || report.version <= held_version_)
      return;
    held_version_ = report.version;
    state_.resident = report.held;
    inbox_->NoteChange();
  }

  absl::Status WaitConnected(absl::Time deadline) {
    std::unique_lock<std::mutex> lock(mu_);
    const auto until =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
    changed_.wait_until(
        lock, until, [&] { return state_.connected || absl::IsFailedPrecondition(state_.status); });
    return state_.connected ? absl::OkStatus() : state_.status;
  }

  const std::string& address() const { return options_.worker.address; }

 private:
  using Stream = grpc::ClientAsyncReaderWriter<v1::DispatchRequest, v1::CombineReply>;
  enum Event : intptr_t { kStarted = 1, kRead, kWritten, kFinished };
  static void* Tag(Event event) { return reinterpret_cast<void*>(static_cast<intptr_t>(event)); }

  // The keeper thread: connect, serve until the link is lost, again.
  void Keep() {
    absl::Duration pause = options_.retry_first;
    while (!stopped()) {
      absl::StatusOr<HeldReport> greeted = Greet();
      if (greeted.ok()) {
        pause = options_.retry_first;
        SetDisconnected(Serve(*greeted));
      } else {
        SetDisconnected(greeted.status());
      }
      std::unique_lock<std::mutex> lock(mu_);
      changed_.wait_for(lock, absl::ToChronoNanoseconds(pause), [&] { return stop_; });
      pause = std::min(pause * 2, options_.retry_last);
    }
  }

  // Asks what the worker is, and tells it its shard if it has none.
  absl::StatusOr<HeldReport> Greet() {
    v1::WorkerDescription description;
    RETURN_IF_ERROR(Call(
        options_.describe_timeout, "cannot be reached",
        [&](grpc::ClientContext* context) { return stub_->Describe(context, {}, &description); }));
    RETURN_IF_ERROR(CheckDescription(description, options_.worker));
    if (description.shard().empty() && !options_.shard.empty()) {
      v1::LoadShardRequest request;
      request.set_model_digest(options_.worker.model_digest);
      request.set_expert_format(options_.worker.expert_format);
      request.set_shard(options_.shard);
      RETURN_IF_ERROR(
          Call(options_.load_timeout, "cannot load its shard", [&](grpc::ClientContext* context) {
            return stub_->LoadShard(context, request, &description);
          }));
    }
    return HeldBy(description, options_.worker);
  }

  // A new context, which a stop and a reset can cancel.
  absl::StatusOr<grpc::ClientContext*> NewContext() {
    std::lock_guard<std::mutex> lock(mu_);
    if (stop_) return absl::CancelledError("stopping");
    context_ = std::make_unique<grpc::ClientContext>();
    return context_.get();
  }

  absl::Status Call(absl::Duration timeout, absl::string_view what,
                    const std::function<grpc::Status(grpc::ClientContext*)>& call) {
    ASSIGN_OR_RETURN(grpc::ClientContext * context, NewContext());
    context->set_deadline(ToSystemClock(MonotonicNow() + timeout));
    const grpc::Status status = call(context);
    return status.ok() ? absl::OkStatus() : FromGrpc(status, address(), what);
  }

  // The stream, from its beginning until nothing of it is under way. Why it ended.
  absl::Status Serve(const HeldReport& greeted) {
    ASSIGN_OR_RETURN(grpc::ClientContext * context, NewContext());
    context->AddMetadata(
        kModelMetadata, ModelMetadata(options_.worker.model_digest, options_.worker.expert_format));
    {
      std::lock_guard<std::mutex> lock(mu_);
      stream_ = stub_->PrepareAsyncExchange(context, &events_);
    }
    stream_->StartCall(Tag(kStarted));
    std::shared_ptr<v1::CombineReply> reply = replies_pool_.Take();
    bool reading = false, starting = true;
    while (starting || reading || writing()) {
      void* tag;
      bool ok;
      CHECK(events_.Next(&tag, &ok));
      switch (static_cast<Event>(reinterpret_cast<intptr_t>(tag))) {
        case kStarted:
          starting = false;
          if (ok && SetConnected(greeted)) reading = true;
          break;
        case kRead:
          reading = ok;
          if (ok) TakeReply(std::exchange(reply, replies_pool_.Take()));
          break;
        case kWritten:
          Written(ok);
          continue;
        case kFinished:
          CHECK(false) << "not asked for yet";
      }
      if (reading) {
        stream_->Read(reply.get(), Tag(kRead));
      } else {
        // Fail the waiting at once; the stream's own verdict follows.
        SetDisconnected(
            absl::UnavailableError(absl::StrCat("expert worker ", address(), ": connection lost")));
        if (writing()) context->TryCancel();
      }
    }
    return Finish(context);
  }

  // A worker that does not end its side, say because it sent what is no message, is cut off.
  absl::Status Finish(grpc::ClientContext* context) {
    grpc::Status status;
    stream_->Finish(&status, Tag(kFinished));
    void* tag;
    bool ok;
    const auto deadline = ToSystemClock(MonotonicNow() + kFinishTimeout);
    if (events_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::TIMEOUT) {
      context->TryCancel();
      CHECK(events_.Next(&tag, &ok));
    }
    CHECK(tag == Tag(kFinished));
    std::lock_guard<std::mutex> lock(mu_);
    stream_.reset();
    return absl::UnavailableError(FromGrpc(status, address(), "connection lost").message());
  }

  // False when the link is not wanted any more.
  bool SetConnected(const HeldReport& greeted) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (stop_) return false;
      state_ = {.connected = true,
                .status = absl::OkStatus(),
                .resident = greeted.held,
                .epoch = state_.epoch + 1};
      instance_ = greeted.instance;
      held_version_ = greeted.version;
      inbox_->NoteChange();  // before anybody can see it, lest a placement be kept that misses it
    }
    changed_.notify_all();
    return true;
  }

  void SetDisconnected(const absl::Status& status) {
    std::set<uint64_t> lost;
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (std::exchange(state_.connected, false)) inbox_->NoteChange();
      state_.status = status;
      lost.swap(pending_);
      frames_.clear();
    }
    changed_.notify_all();
    for (const uint64_t id : lost) inbox_->Put({.worker = worker_, .id = id, .status = status});
  }

  // Requires mu_.
  void WriteNext() {
    if (writing_ || frames_.empty() || !state_.connected) return;
    writing_ = true;
    stream_->Write(*frames_.front(), Tag(kWritten));  // serialised when this returns
    frames_.pop_front();
  }

  void Written(bool ok) {
    std::lock_guard<std::mutex> lock(mu_);
    writing_ = false;
    if (ok) WriteNext();  // else the read fails too, and says so
  }

  bool writing() const {
    std::lock_guard<std::mutex> lock(mu_);
    return writing_;
  }

  void TakeReply(std::shared_ptr<v1::CombineReply> reply) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      // An answer that came twice, or that nobody asked for on this connection.
      if (reply->epoch() != state_.epoch || pending_.erase(reply->dispatch_id()) == 0) return;
    }
    const bool says_what_it_holds = LearnFrom(*reply);
    DispatchEnd end{.worker = worker_, .id = reply->dispatch_id()};
    const absl::Status read = ReadCombine(*reply, &end.combine);
    if (!read.ok()) end.status = ReadError(read, address());
    end.memory = std::move(reply);
    inbox_->Put(std::move(end));
    // It does not hold what it said, and does not say what it holds: a new link asks.
    if (absl::IsNotFound(read) && !says_what_it_holds) Reset(ReadError(read, address()));
  }

  // Whether the reply says what the worker holds; before anybody can act on the reply.
  bool LearnFrom(const v1::CombineReply& reply) {
    if (reply.resident().empty()) return false;
    absl::StatusOr<Shard> held = Shard::FromBitmap(reply.resident(), options_.worker.num_layers,
                                                   options_.worker.num_experts);
    if (!held.ok()) return false;
    std::string instance;
    {
      std::lock_guard<std::mutex> lock(mu_);
      instance = instance_;
    }
    Learn({.instance = std::move(instance),
           .version = reply.resident_version(),
           .held = *std::move(held)});
    return true;
  }

  bool stopped() const {
    std::lock_guard<std::mutex> lock(mu_);
    return stop_;
  }

  const Options options_;
  const int worker_;
  DispatchInbox* const inbox_;
  const std::unique_ptr<v1::ExpertWorker::Stub> stub_;
  grpc::CompletionQueue events_;
  MessagePool<v1::DispatchRequest> frames_pool_{4};
  MessagePool<v1::CombineReply> replies_pool_{4};
  std::thread keeper_;

  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool stop_ = false;
  State state_;
  std::string instance_;       // of the worker that is connected
  uint64_t held_version_ = 0;  // of state_.resident
  uint64_t last_id_ = 0;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Stream> stream_;
  bool writing_ = false;
  std::deque<std::shared_ptr<v1::DispatchRequest>> frames_;
  std::set<uint64_t> pending_;
};

GrpcChannel::GrpcChannel(Options options, int worker, DispatchInbox* inbox)
    : link_(std::make_unique<Link>(std::move(options), worker, inbox)) {}
GrpcChannel::~GrpcChannel() = default;
const std::string& GrpcChannel::name() const { return link_->address(); }
ExpertChannel::State GrpcChannel::state() const { return link_->state(); }
absl::StatusOr<uint64_t> GrpcChannel::Dispatch(const DispatchBatch& batch, absl::Duration timeout) {
  return link_->Dispatch(batch, timeout);
}
void GrpcChannel::Reset(const absl::Status& reason) { link_->Reset(reason); }
void GrpcChannel::Learn(const HeldReport& report) { link_->Learn(report); }
absl::Status GrpcChannel::WaitConnected(absl::Time deadline) {
  return link_->WaitConnected(deadline);
}

}  // namespace coterie
