#include "expert_worker/channel/grpc_channel.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/wire.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {
namespace {

std::chrono::system_clock::time_point DeadlineIn(absl::Duration timeout) {
  return absl::ToChronoTime(absl::Now() + timeout);
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& address,
                      absl::string_view what) {
  const auto code = status.ok() ? absl::StatusCode::kUnavailable
                                : static_cast<absl::StatusCode>(status.error_code());
  return absl::Status(
      code, absl::StrCat("expert worker ", address, ": ", what,
                         status.error_message().empty() ? "" : ": ", status.error_message()));
}

std::shared_ptr<grpc::Channel> MakeGrpcChannel(const GrpcChannel::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kFrameBytesMax);
  arguments.SetMaxSendMessageSize(kFrameBytesMax);
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
  return grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

// Invariants, all guarded by mu_ unless said otherwise. stream_ is non-null exactly while
// connected; the engine uses it under write_mu_, so it is taken away only when no write is under
// way. A reply is in replies_ or its dispatch has failed with status_; epoch_ grows with every
// connection, and a dispatch of an older epoch can never be answered.
class GrpcChannel::Link {
 public:
  explicit Link(Options options)
      : options_(std::move(options)), stub_(v1::ExpertWorker::NewStub(MakeGrpcChannel(options_))) {
    state_.status = absl::UnavailableError(
        absl::StrCat("expert worker ", options_.address, ": not connected yet"));
    keeper_ = std::thread([this] { Keep(); });
    watchdog_ = std::thread([this] { Watch(); });
  }

  ~Link() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stop_ = true;
      if (context_ != nullptr) context_->TryCancel();
    }
    changed_.notify_all();
    keeper_.join();
    watchdog_.join();
  }

  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch) {
    std::lock_guard<std::mutex> write_lock(write_mu_);
    uint64_t id;
    grpc::ClientReaderWriter<v1::DispatchRequest, v1::CombineReply>* stream;
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (!state_.connected) return state_.status;
      id = ++last_id_;
      pending_[id] = epoch_;
      stream = stream_.get();
    }
    FillDispatch(batch, id, &request_);
    write_started_ns_ = std::chrono::steady_clock::now().time_since_epoch().count();
    const bool written = stream->Write(request_);
    write_started_ns_ = 0;
    if (written) return id;
    std::lock_guard<std::mutex> lock(mu_);
    pending_.erase(id);
    return absl::UnavailableError(
        absl::StrCat("expert worker ", options_.address, ": connection lost while sending"));
  }

  absl::StatusOr<CombineBatch> Await(uint64_t id, absl::Time deadline) {
    std::unique_lock<std::mutex> lock(mu_);
    const auto pending = pending_.find(id);
    CHECK(pending != pending_.end()) << "dispatch " << id << " is not under way";
    const uint64_t epoch = pending->second;
    const auto settled = [&] {
      return replies_.contains(id) || epoch_ != epoch || !state_.connected;
    };
    // The clock of the deadline may be turned; a steady one is waited on.
    const auto begin = std::chrono::steady_clock::now(),
               until = begin + absl::ToChronoNanoseconds(deadline - absl::Now());
    // To be woken costs some 50 us, and every layer of every token waits here.
    while (!settled() && std::chrono::steady_clock::now() - begin < options_.spin) {
      const uint64_t seen = num_changes_;
      lock.unlock();
      while (num_changes_ == seen && std::chrono::steady_clock::now() - begin < options_.spin)
        std::this_thread::yield();
      lock.lock();
    }
    const bool in_time = changed_.wait_until(lock, until, settled);
    pending_.erase(id);
    const auto reply = replies_.find(id);
    if (reply == replies_.end()) {
      if (!in_time) {
        // A worker that hangs would make every request wait as long: the link is made anew, and
        // until it answers again the worker counts as gone.
        if (context_ != nullptr) context_->TryCancel();
        return absl::DeadlineExceededError(absl::StrCat(
            "expert worker ", options_.address, ": no answer to dispatch ", id, " in time"));
      }
      return state_.connected
                 ? absl::UnavailableError(absl::StrCat("expert worker ", options_.address,
                                                       ": connection was lost and is back"))
                 : state_.status;
    }
    spare_ = std::move(current_);  // its memory serves a later reply
    current_ = std::move(reply->second);
    replies_.erase(reply);
    lock.unlock();
    CombineBatch batch;
    const absl::Status read =
        Annotate(ReadCombine(*current_, &batch), absl::StrCat("expert worker ", options_.address));
    if (read.ok()) return batch;
    if (absl::IsNotFound(read)) {
      // Its shard is another than when the link was made: a new link learns what it holds now.
      lock.lock();
      if (context_ != nullptr) context_->TryCancel();
      return absl::UnavailableError(read.message());
    }
    // What router and worker say to each other is no mistake of the client's.
    return absl::IsInvalidArgument(read) ? absl::InternalError(read.message()) : read;
  }

  State state() const {
    std::lock_guard<std::mutex> lock(mu_);
    return state_;
  }

  absl::Status WaitConnected(absl::Time deadline) {
    std::unique_lock<std::mutex> lock(mu_);
    const auto until =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - absl::Now());
    changed_.wait_until(
        lock, until, [&] { return state_.connected || absl::IsFailedPrecondition(state_.status); });
    return state_.connected ? absl::OkStatus() : state_.status;
  }

  const Options& options() const { return options_; }

 private:
  // The keeper thread: connect, read until the link is lost, again.
  void Keep() {
    absl::Duration pause = options_.retry_first;
    while (!stopped()) {
      absl::Status status = Connect();
      if (status.ok()) {
        pause = options_.retry_first;
        if (options_.on_change) options_.on_change();
        status = ReadReplies();
      }
      SetDisconnected(status);
      if (options_.on_change && !stopped()) options_.on_change();
      std::unique_lock<std::mutex> lock(mu_);
      changed_.wait_for(lock, absl::ToChronoNanoseconds(pause), [&] { return stop_; });
      pause = std::min(pause * 2, options_.retry_last);
    }
  }

  absl::Status Connect() {
    v1::WorkerDescription description;
    RETURN_IF_ERROR(Call(
        options_.describe_timeout, "cannot be reached",
        [&](grpc::ClientContext* context) { return stub_->Describe(context, {}, &description); }));
    RETURN_IF_ERROR(CheckDescription(description));
    if (description.shard().empty() && !options_.shard.empty()) {
      v1::LoadShardRequest request;
      request.set_model_digest(options_.model_digest);
      request.set_expert_format(options_.expert_format);
      request.set_shard(options_.shard);
      RETURN_IF_ERROR(
          Call(options_.load_timeout, "cannot load its shard", [&](grpc::ClientContext* context) {
            return stub_->LoadShard(context, request, &description);
          }));
    }
    absl::StatusOr<Shard> resident =
        Shard::FromBitmap(description.resident(), options_.num_layers, options_.num_experts);
    if (!resident.ok())
      return absl::FailedPreconditionError(
          absl::StrCat("expert worker ", options_.address, ": ", resident.status().message()));
    std::lock_guard<std::mutex> lock(mu_);
    if (stop_) return absl::CancelledError("stopping");
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = stub_->Exchange(context_.get());
    ++epoch_;
    state_ = {.connected = true, .status = absl::OkStatus(), .resident = *std::move(resident)};
    changed_.notify_all();
    return absl::OkStatus();
  }

  // One unary call that a stop can cancel.
  absl::Status Call(absl::Duration timeout, absl::string_view what,
                    const std::function<grpc::Status(grpc::ClientContext*)>& call) {
    grpc::ClientContext* context;
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (stop_) return absl::CancelledError("stopping");
      context_ = std::make_unique<grpc::ClientContext>();
      context = context_.get();
      context->set_deadline(DeadlineIn(timeout));
    }
    const grpc::Status status = call(context);
    return status.ok() ? absl::OkStatus() : FromGrpc(status, options_.address, what);
  }

  absl::Status CheckDescription(const v1::WorkerDescription& d) const {
    const auto differs = [&](absl::string_view what, auto theirs, auto ours) {
      return absl::FailedPreconditionError(absl::StrCat(
          "expert worker ", options_.address, ": its ", what, " is ", theirs, ", this router's is ",
          ours, "; start both with the same model files and --quantise"));
    };
    if (d.model_digest() != options_.model_digest)
      return differs("model digest", d.model_digest(), options_.model_digest);
    if (d.expert_format() != options_.expert_format)
      return differs("expert format", d.expert_format(), options_.expert_format);
    if (d.num_layers() != options_.num_layers)
      return differs("number of layers", d.num_layers(), options_.num_layers);
    if (d.num_experts() != options_.num_experts)
      return differs("number of experts", d.num_experts(), options_.num_experts);
    if (d.model_dim() != options_.model_dim)
      return differs("model dimension", d.model_dim(), options_.model_dim);
    if (d.draining())
      return absl::UnavailableError(absl::StrCat("expert worker ", options_.address, ": draining"));
    return absl::OkStatus();
  }

  absl::Status ReadReplies() {
    auto reply = std::make_unique<v1::CombineReply>();
    while (stream_->Read(reply.get())) {
      std::lock_guard<std::mutex> lock(mu_);
      if (!pending_.contains(reply->dispatch_id()))
        continue;  // given up meanwhile: a late answer is dropped
      const uint64_t id = reply->dispatch_id();
      replies_[id] = std::move(reply);
      ++num_changes_;
      changed_.notify_all();
      reply = spare_ != nullptr ? std::move(spare_) : std::make_unique<v1::CombineReply>();
    }
    // Fail the waiting at once; the stream's own verdict follows.
    SetDisconnected(absl::UnavailableError(
        absl::StrCat("expert worker ", options_.address, ": connection lost")));
    std::lock_guard<std::mutex> write_lock(write_mu_);
    const absl::Status status = FromGrpc(stream_->Finish(), options_.address, "connection lost");
    std::lock_guard<std::mutex> lock(mu_);
    stream_.reset();
    return absl::UnavailableError(status.message());
  }

  void SetDisconnected(const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mu_);
    state_.connected = false;
    state_.status = status;
    ++num_changes_;
    changed_.notify_all();
  }

  // A blocked write has no deadline of its own: cancelling the stream ends it.
  void Watch() {
    std::unique_lock<std::mutex> lock(mu_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return stop_; })) {
      const int64_t started = write_started_ns_;
      const int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
      if (started != 0 && now - started > absl::ToInt64Nanoseconds(options_.send_timeout) &&
          context_ != nullptr)
        context_->TryCancel();
    }
  }

  bool stopped() const {
    std::lock_guard<std::mutex> lock(mu_);
    return stop_;
  }

  const Options options_;
  const std::unique_ptr<v1::ExpertWorker::Stub> stub_;
  std::thread keeper_, watchdog_;
  std::atomic<int64_t> write_started_ns_{0};  // 0: none under way

  std::mutex write_mu_;          // taken before mu_
  v1::DispatchRequest request_;  // guarded by write_mu_

  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::atomic<uint64_t> num_changes_{
      0};  // of replies_ and of state_; read without mu_ while spinning
  bool stop_ = false;
  State state_;
  uint64_t epoch_ = 0;
  uint64_t last_id_ = 0;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DispatchRequest, v1::CombineReply>> stream_;
  std::map<uint64_t, uint64_t> pending_;  // dispatch → epoch
  std::map<uint64_t, std::unique_ptr<v1::CombineReply>> replies_;
  std::unique_ptr<v1::CombineReply> spare_;
  std::unique_ptr<v1::CombineReply>
      current_;  // what the last Await points into; the engine's thread only
};

GrpcChannel::GrpcChannel(Options options) : link_(std::make_unique<Link>(std::move(options))) {}
GrpcChannel::~GrpcChannel() = default;
const std::string& GrpcChannel::name() const { return link_->options().address; }
absl::StatusOr<uint64_t> GrpcChannel::Dispatch(const DispatchBatch& batch) {
  return link_->Dispatch(batch);
}
absl::StatusOr<CombineBatch> GrpcChannel::Await(uint64_t id, absl::Time deadline) {
  return link_->Await(id, deadline);
}
GrpcChannel::State GrpcChannel::state() const { return link_->state(); }
absl::Status GrpcChannel::WaitConnected(absl::Time deadline) {
  return link_->WaitConnected(deadline);
}

}  // namespace coterie
