#include "kv_store/client/node_calls.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv_store/client/wire.h"

namespace coterie {
namespace {

constexpr absl::Duration kNoteTimeout = absl::Seconds(2);
// A node refuses a call that could stay for ever.
constexpr absl::Duration kCallMax = absl::Hours(1);
// gRPC ends a call at its deadline, as a rule; if not by then, it is cancelled.
constexpr absl::Duration kOverdue = absl::Seconds(1);
// More notes than these are not under way: a hint or a journal is then dropped.
constexpr int kNotesMax = 256;

std::shared_ptr<grpc::Channel> MakeChannel(const NodeCalls::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kFrameBytesMax);
  arguments.SetMaxSendMessageSize(kFrameBytesMax);
  const int first_ms = static_cast<int>(absl::ToInt64Milliseconds(options.rest_first));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_ms);
  // How long one attempt to connect may take: on a busy machine longer than the pause before it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, std::max(first_ms, 1000));
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

NodeCalls::NodeCalls(Options options)
    : options_(std::move(options)),
      channel_(MakeChannel(options_)),
      stub_(v1::KvStore::NewStub(channel_)) {}

void NodeCalls::Close() {
  is_closing_ = true;
  calls_.Close();
}

bool NodeCalls::IsUsable() const {
  std::lock_guard<std::mutex> lock(mu_);
  return MonotonicNow() >= rest_until_;
}

std::string NodeCalls::Name() const { return absl::StrCat("kv store ", options_.address, ": "); }

bool NodeCalls::Begin(grpc::ClientContext* context, absl::Time deadline) {
  deadline = std::min(deadline, MonotonicNow() + kCallMax);
  context->set_deadline(ToSystemClock(deadline));
  context->AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
  return calls_.Add(context, deadline + kOverdue);
}

absl::Status NodeCalls::Note(const grpc::Status& status) {
  const bool failed = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
                      status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
                      status.error_code() == grpc::StatusCode::INTERNAL;
  std::lock_guard<std::mutex> lock(mu_);
  if (failed) {
    ++num_failed_;
    // Calls that were under way together fail together, and count once.
    if (MonotonicNow() >= rest_until_) {
      rest_ = std::clamp(rest_ * 2, options_.rest_first, options_.rest_last);
      rest_until_ = MonotonicNow() + rest_;
    }
  } else if (status.ok()) {
    rest_ = absl::ZeroDuration();
    rest_until_ = absl::InfinitePast();
  }
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()),
          absl::StrCat(Name(), status.error_message())};
}

bool NodeCalls::BeginNote(grpc::ClientContext* context) {
  if (!IsUsable()) return false;
  if (num_notes_.fetch_add(1) < kNotesMax && Begin(context, MonotonicNow() + kNoteTimeout))
    return true;
  num_notes_.fetch_sub(1);
  return false;
}

void NodeCalls::EndNote(const grpc::Status& status, std::unique_ptr<grpc::ClientContext> context) {
  Note(status).IgnoreError();
  num_notes_.fetch_sub(1);
  calls_.End(std::move(context));
}

bool NodeCalls::BeginWithWindow(grpc::ClientContext* context, absl::Time deadline,
                                std::unique_ptr<SharedLink::Lease>* lease) {
  *lease = shared_.Acquire();
  if (*lease != nullptr) context->AddMetadata(kWindowMetadata, (*lease)->Name());
  OpenWindow();
  if (Begin(context, deadline)) return true;
  if (*lease != nullptr) (*lease)->Unuse();
  return false;
}

void NodeCalls::OpenWindow() {
  if (!shared_.BeginOpening()) return;
  auto call = std::make_shared<UnaryCall<v1::DescribeStoreRequest, v1::StoreDescription>>();
  if (!BeginNote(call->context.get())) return shared_.Fail();
  stub_->async()->Describe(call->context.get(), &call->request, &call->reply,
                           [this, call](const grpc::Status& status) {
                             if (status.ok() && !call->reply.shared_memory().empty()) {
                               shared_.Open(call->reply.shared_memory());
                             } else {
                               shared_.Fail();
                             }
                             // That it describes itself does not say that it is well.
                             if (!status.ok()) Note(status).IgnoreError();
                             num_notes_.fetch_sub(1);
                             End(std::move(call->context));
                           });
}

}  // namespace coterie
