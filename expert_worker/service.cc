#include "expert_worker/service.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "expert_worker/channel/handshake.h"
#include "expert_worker/channel/wire.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

// Each holds a thread, and the memory of its largest dispatch.
constexpr size_t kSessionsMax = 256;
// What a router says that it will wait is not taken for longer.
constexpr std::chrono::microseconds kTimeoutMax = std::chrono::hours(24);
constexpr uint32_t kLeaseMsMax = 60'000;
constexpr size_t kPlannerBytesMax = 256;

std::string NewInstanceId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

std::chrono::microseconds TimeoutOf(const v1::DispatchRequest& request) {
  const auto most = static_cast<uint64_t>(kTimeoutMax.count());
  const uint64_t timeout_us = request.timeout_us() == 0 ? most : request.timeout_us();
  return std::chrono::microseconds(std::min(timeout_us, most));
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace

// One router's stream. While a dispatch is in hand a drain waits for its answer; otherwise it
// cancels the read.
class ExpertWorkerService::Session {
 public:
  Session(ExpertWorkerService* service, grpc::ServerContext* context)
      : service_(service), context_(context) {
    std::lock_guard<std::mutex> lock(service_->mu_);
    if (service_->draining_) {
      refusal_ = absl::UnavailableError("draining");
    } else if (service_->sessions_.size() >= kSessionsMax) {
      refusal_ = absl::ResourceExhaustedError(
          absl::StrCat(kSessionsMax, " routers are connected already"));
    } else {
      service_->sessions_.insert(this);
    }
    service_->metrics_->streams.Increment();
  }
  ~Session() {
    std::lock_guard<std::mutex> lock(service_->mu_);
    service_->sessions_.erase(this);
    service_->metrics_->streams.Decrement();
    service_->metrics_->streams_ended.Increment();
    service_->session_ended_.notify_all();
  }

  // Requires the service's mutex.
  void Drain() {
    if (!busy_) context_->TryCancel();
  }
  // False when the worker drains: the stream is to end.
  bool SetBusy(bool busy) {
    std::lock_guard<std::mutex> lock(service_->mu_);
    busy_ = busy;
    return !service_->draining_;
  }
  // Why it may not be.
  const absl::Status& refusal() const { return refusal_; }

  // InvalidArgument: it came before, or belongs to another connection.
  absl::Status JudgeOrder(const v1::DispatchRequest& request) {
    if (last_id_ == 0) epoch_ = request.epoch();
    if (request.epoch() != epoch_) {
      return absl::InvalidArgumentError(
          absl::StrCat("dispatch: epoch ", request.epoch(), ", this stream is of epoch ", epoch_));
    }
    if (request.dispatch_id() <= last_id_) {
      return absl::InvalidArgumentError(absl::StrCat("dispatch: id ", request.dispatch_id(),
                                                     " after ", last_id_, ": it came again"));
    }
    last_id_ = request.dispatch_id();
    return absl::OkStatus();
  }

 private:
  ExpertWorkerService* const service_;
  grpc::ServerContext* const context_;
  absl::Status refusal_;
  bool busy_ = false;
  uint64_t epoch_ = 0, last_id_ = 0;  // the stream's own thread
};

ExpertWorkerService::ExpertWorkerService(ExpertHost* host, ExpertWorkerMetrics* metrics,
                                         Options options)
    : host_(host),
      metrics_(metrics),
      max_waiting_(options.max_waiting),
      instance_id_(NewInstanceId()),
      pairs_(host->config().num_layers, host->config().num_experts),
      runs_(host->config().num_layers, host->config().num_experts),
      holdings_(host, &host_mu_, metrics, std::move(options.holdings)) {}

void ExpertWorkerService::Drain(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  draining_ = true;
  metrics_->draining.Set(1);
  for (Session* session : sessions_) session->Drain();
  const auto until =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
  session_ended_.wait_until(lock, until, [&] { return sessions_.empty(); });
}

void ExpertWorkerService::Describe(v1::WorkerDescription* description) {
  *description = holdings_.Describe();
  description->set_instance_id(instance_id_);
  description->set_num_waiting(static_cast<uint32_t>(num_waiting_));
  description->set_num_pairs(num_pairs_);
  description->set_num_runs(num_runs_);
  description->set_compute_ns(compute_ns_);
  std::lock_guard<std::mutex> lock(mu_);
  description->set_draining(draining_);
}

grpc::Status ExpertWorkerService::Describe(grpc::ServerContext*, const v1::DescribeRequest*,
                                           v1::WorkerDescription* description) {
  Describe(description);
  return grpc::Status::OK;
}

// A refusal, counted.
grpc::Status ExpertWorkerService::Refuse(const absl::Status& status) {
  metrics_->CountError(status);
  return ToGrpc(status);
}

// Whether a caller may change what is held here.
absl::Status ExpertWorkerService::JudgeModel(const std::string& digest, const std::string& format) {
  if (digest != host_->checkpoint().digest() || format != DTypeName(host_->format())) {
    return absl::FailedPreconditionError(
        absl::StrCat("this worker has model ", host_->checkpoint().digest(), " in ",
                     DTypeName(host_->format()), ", asked for ", digest, " in ", format));
  }
  std::lock_guard<std::mutex> lock(mu_);
  return draining_ ? absl::UnavailableError("draining") : absl::OkStatus();
}

grpc::Status ExpertWorkerService::LoadShard(grpc::ServerContext*,
                                            const v1::LoadShardRequest* request,
                                            v1::WorkerDescription* description) {
  const absl::Status judged = JudgeModel(request->model_digest(), request->expert_format());
  if (!judged.ok()) return Refuse(judged);
  const ModelConfig& config = host_->config();
  const absl::StatusOr<Shard> shard =
      Shard::Parse(request->shard(), config.num_layers, config.num_experts);
  if (!shard.ok()) return Refuse(shard.status());
  const absl::Status status = LoadShard(*shard);
  if (!status.ok()) return Refuse(status);
  Describe(description);
  return grpc::Status::OK;
}

grpc::Status ExpertWorkerService::Lease(grpc::ServerContext*, const v1::LeaseRequest* request,
                                        v1::LeaseReply* reply) {
  if (request->planner().empty() || request->planner().size() > kPlannerBytesMax) {
    return Refuse(
        absl::InvalidArgumentError(absl::StrCat("lease: `planner` is 1 to ", kPlannerBytesMax,
                                                " bytes, found ", request->planner().size())));
  }
  if (request->ttl_ms() == 0 || request->ttl_ms() > kLeaseMsMax) {
    return Refuse(absl::InvalidArgumentError(
        absl::StrCat("lease: `ttl_ms` is 1 to ", kLeaseMsMax, ", found ", request->ttl_ms())));
  }
  reply->set_granted(
      holdings_.Lease(request->planner(), absl::Milliseconds(int64_t{request->ttl_ms()})));
  reply->set_holder(holdings_.lease_holder());
  Describe(reply->mutable_worker());
  if (reply->granted()) {
    for (const uint64_t pairs : pairs_.Snapshot()) reply->add_expert_pairs(pairs);
    for (const uint64_t runs : runs_.Snapshot()) reply->add_expert_runs(runs);
  }
  return grpc::Status::OK;
}

grpc::Status ExpertWorkerService::Move(grpc::ServerContext* context, const v1::MoveRequest* request,
                                       v1::WorkerDescription* description) {
  const absl::Status judged = JudgeModel(request->model_digest(), request->expert_format());
  if (!judged.ok()) return Refuse(judged);
  const ModelConfig& config = host_->config();
  const auto shard_of = [&](const std::string& bitmap) -> absl::StatusOr<Shard> {
    if (bitmap.empty()) return Shard::Nothing(config.num_layers, config.num_experts);
    return Shard::FromBitmap(bitmap, config.num_layers, config.num_experts);
  };
  const absl::StatusOr<Shard> load = shard_of(request->load()), drop = shard_of(request->drop());
  if (!load.ok()) return Refuse(load.status());
  if (!drop.ok()) return Refuse(drop.status());
  const absl::Status moved = holdings_.Move(request->planner(), *load, *drop,
                                            [context] { return context->IsCancelled(); });
  if (!moved.ok()) return Refuse(moved);
  Describe(description);
  return grpc::Status::OK;
}

grpc::Status ExpertWorkerService::Exchange(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::CombineReply, v1::DispatchRequest>* stream) {
  const std::string model = ModelMetadata(host_->checkpoint().digest(), DTypeName(host_->format()));
  const auto theirs = context->client_metadata().find(kModelMetadata);
  if (theirs == context->client_metadata().end() || theirs->second != model) {
    return Refuse(absl::FailedPreconditionError(
        absl::StrCat("this worker computes model ", model, ", and the metadata ", kModelMetadata,
                     " does not name it: start both with the same model files and --quantise")));
  }
  Session session(this, context);
  if (!session.refusal().ok()) return Refuse(session.refusal());
  LogInfo("router joined", {{"peer", context->peer()}});
  // Kept for the stream's life: their memory serves every message.
  v1::DispatchRequest request;
  v1::CombineReply reply;
  DispatchBatch batch;
  uint64_t told_version = 0;  // of what is held here
  bool stay = true;
  while (stay && stream->Read(&request)) {
    session.SetBusy(true);
    if (!context->IsCancelled()) {
      Answer(request, session.JudgeOrder(request), &batch, &reply);
      TellResident(&told_version, &reply);
      if (!stream->Write(reply)) stay = false;
    }
    stay &= session.SetBusy(false);
  }
  LogInfo("router left", {{"peer", context->peer()}});
  std::lock_guard<std::mutex> lock(mu_);
  return draining_ ? ToGrpc(absl::UnavailableError("draining")) : grpc::Status::OK;
}

void ExpertWorkerService::Answer(const v1::DispatchRequest& request, absl::Status status,
                                 DispatchBatch* batch, v1::CombineReply* reply) {
  reply->set_dispatch_id(request.dispatch_id());
  reply->set_epoch(request.epoch());
  reply->set_error_code(0);
  reply->clear_error_message();
  if (status.ok()) status = Compute(request, batch, reply);
  metrics_->dispatches.Increment();
  metrics_->received_bytes.Increment(static_cast<double>(request.rows().size()));
  if (status.ok()) {
    metrics_->rows.Increment(request.num_rows());
    metrics_->sent_bytes.Increment(static_cast<double>(reply->rows().size()));
    return;
  }
  metrics_->CountError(status);
  reply->mutable_rows()->clear();
  reply->set_num_pairs(0);
  reply->set_error_code(static_cast<int32_t>(status.code()));
  reply->set_error_message(std::string(status.message()));
}

// What a router should know before its next dispatch.
void ExpertWorkerService::TellResident(uint64_t* told_version, v1::CombineReply* reply) {
  const bool is_missed = reply->error_code() == static_cast<int32_t>(absl::StatusCode::kNotFound);
  if (holdings_.version() == *told_version && !is_missed) {
    reply->clear_resident();
    return;
  }
  holdings_.GetResident(reply->mutable_resident(), told_version);
  reply->set_resident_version(*told_version);
}

absl::Status ExpertWorkerService::Compute(const v1::DispatchRequest& request, DispatchBatch* batch,
                                          v1::CombineReply* reply) {
  const auto arrived = std::chrono::steady_clock::now();
  const bool has_place = num_waiting_.fetch_add(1) < max_waiting_;
  metrics_->queued.Increment();
  const absl::Cleanup leave = [this] {
    num_waiting_.fetch_sub(1);
    metrics_->queued.Decrement();
  };
  if (!has_place) {
    return absl::ResourceExhaustedError(
        absl::StrCat("dispatch: ", max_waiting_, " are here already; try another copy, or later"));
  }
  RETURN_IF_ERROR(ReadDispatch(request, batch));
  const auto timeout = TimeoutOf(request);
  // ThreadSanitizer knows waits by the system's clock alone. That may jump: hence many short ones.
  std::unique_lock<std::timed_mutex> lock(host_mu_, std::defer_lock);
  auto start = std::chrono::steady_clock::now();
  while (start - arrived <= timeout && !lock.owns_lock()) {
    const absl::Duration left =
        std::min(absl::FromChrono(arrived + timeout - start), absl::Milliseconds(50));
    lock.try_lock_until(ToSystemClock(MonotonicNow() + left));
    start = std::chrono::steady_clock::now();
  }
  reply->set_queue_ns(static_cast<uint64_t>(std::chrono::nanoseconds(start - arrived).count()));
  metrics_->queue_seconds.Observe(std::chrono::duration<double>(start - arrived).count());
  if (!lock.owns_lock() || start - arrived > timeout) {
    return absl::DeadlineExceededError(
        absl::StrCat("dispatch: its ", timeout.count(), " us were over when its turn came"));
  }
  RETURN_IF_ERROR(host_->Validate(*batch));
  std::string* rows = reply->mutable_rows();
  const size_t num_pairs = batch->pair_row.size();
  rows->resize(num_pairs * static_cast<size_t>(host_->output_row_bytes()));
  host_->Compute(*batch, reinterpret_cast<std::byte*>(rows->data()));
  const auto took = std::chrono::steady_clock::now() - start;
  reply->set_row_format(static_cast<v1::RowFormat>(host_->output_format()));
  reply->set_num_cols(static_cast<uint32_t>(batch->num_cols));
  reply->set_num_pairs(static_cast<uint32_t>(num_pairs));
  reply->set_checksum(Checksum(*reply));
  reply->set_compute_ns(static_cast<uint64_t>(std::chrono::nanoseconds(took).count()));
  metrics_->compute_seconds.Observe(std::chrono::duration<double>(took).count());
  compute_ns_ += static_cast<uint64_t>(std::chrono::nanoseconds(took).count());
  metrics_->busy_seconds.Increment(std::chrono::duration<double>(took).count());
  CountPairs(*batch);
  return absl::OkStatus();
}

// Requires host_mu_.
void ExpertWorkerService::CountPairs(const DispatchBatch& batch) {
  metrics_->layer_pairs[static_cast<size_t>(batch.layer)]->Increment(
      static_cast<double>(batch.pair_row.size()));
  for (int32_t expert : batch.pair_expert)
    metrics_->expert_pairs[static_cast<size_t>(expert)]->Increment();
  pairs_.Count(batch.layer, batch.pair_expert);
  std::vector<int32_t> experts = batch.pair_expert;
  std::sort(experts.begin(), experts.end());
  experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
  runs_.Count(batch.layer, experts);
  num_pairs_ += batch.pair_expert.size();
  num_runs_ += experts.size();
}

}  // namespace coterie
