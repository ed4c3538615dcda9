#include "router/experts/worker_calls.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "expert_worker/channel/handshake.h"
#include "kernels/check.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

constexpr int kReconnectMs = 200;

}  // namespace

v1::ExpertWorker::Stub& WorkerCalls::StubOf(const std::string& address) {
  std::unique_ptr<v1::ExpertWorker::Stub>& stub = stubs_[address];
  if (stub == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // apart from the link's connection
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
    stub = v1::ExpertWorker::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
  return *stub;
}

// start(stub, index, context, events): begins call `index` and returns its reader.
template <typename Reply, typename Start>
std::vector<absl::StatusOr<Reply>> WorkerCalls::CallAll(const std::vector<std::string>& addresses,
                                                        absl::Duration timeout, Start start) {
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader;
    Reply reply;
    grpc::Status status;
  };
  std::vector<std::unique_ptr<Call>> calls;
  grpc::CompletionQueue events;
  const auto deadline = ToSystemClock(MonotonicNow() + timeout);
  for (size_t i = 0; i < addresses.size(); ++i) {
    auto call = std::make_unique<Call>();
    call->context.set_deadline(deadline);
    call->reader = start(StubOf(addresses[i]), i, &call->context, &events);
    call->reader->Finish(&call->reply, &call->status, call.get());
    calls.push_back(std::move(call));
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    void* tag;
    bool ok;
    CHECK(events.Next(&tag, &ok));
  }
  events.Shutdown();
  std::vector<absl::StatusOr<Reply>> replies;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i]->status.ok())
      replies.emplace_back(std::move(calls[i]->reply));
    else
      replies.emplace_back(FromGrpc(calls[i]->status, addresses[i], "call failed"));
  }
  return replies;
}

std::vector<absl::StatusOr<v1::WorkerDescription>> WorkerCalls::Describe(
    const std::vector<std::string>& addresses, absl::Duration timeout) {
  return CallAll<v1::WorkerDescription>(
      addresses, timeout,
      [](v1::ExpertWorker::Stub& stub, size_t, grpc::ClientContext* context,
         grpc::CompletionQueue* events) { return stub.AsyncDescribe(context, {}, events); });
}

std::vector<absl::StatusOr<v1::LeaseReply>> WorkerCalls::Lease(
    const std::vector<std::string>& addresses, absl::Duration ttl, absl::Duration timeout) {
  v1::LeaseRequest request;
  request.set_planner(options_.planner);
  request.set_ttl_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(ttl)));
  return CallAll<v1::LeaseReply>(
      addresses, timeout,
      [&request](v1::ExpertWorker::Stub& stub, size_t, grpc::ClientContext* context,
                 grpc::CompletionQueue* events) {
        return stub.AsyncLease(context, request, events);
      });
}

std::vector<absl::StatusOr<v1::WorkerDescription>> WorkerCalls::Move(
    const std::vector<MoveOrder>& orders, absl::Duration timeout) {
  std::vector<std::string> addresses;
  addresses.reserve(orders.size());
  for (const MoveOrder& order : orders) addresses.push_back(order.address);
  v1::MoveRequest request;
  request.set_planner(options_.planner);
  request.set_model_digest(options_.model_digest);
  request.set_expert_format(options_.expert_format);
  return CallAll<v1::WorkerDescription>(
      addresses, timeout,
      [&](v1::ExpertWorker::Stub& stub, size_t i, grpc::ClientContext* context,
          grpc::CompletionQueue* events) {
        request.set_load(orders[i].load);
        request.set_drop(orders[i].drop);
        return stub.AsyncMove(context, request, events);
      });
}

}  // namespace coterie
