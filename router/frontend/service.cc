#include "router/frontend/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/detokenizer.h"
#include "ops/process/log.h"
#include "router/frontend/request_reader.h"
#include "router/frontend/stop_matcher.h"

namespace coterie {
namespace {

// How soon a caller who has gone is noticed while no token comes.
constexpr absl::Duration kPatience = absl::Milliseconds(20);
// A step or two of a busy router: what a refused caller should wait at least.
constexpr int kRetryAfterMs = 500;

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

void AddToken(const TokenEvent& event, bool logprobs, v1::GenerateReply* reply) {
  v1::GeneratedToken* token = reply->add_tokens();
  token->set_id(event.id);
  if (!logprobs) return;
  token->set_logprob(event.logprobs.chosen);
  for (const auto& [id, logprob] : event.logprobs.top) {
    v1::TokenLogprob* top = token->add_top();
    top->set_id(id);
    top->set_logprob(logprob);
  }
}

void FillUsage(const RequestUsage& usage, v1::Usage* out) {
  out->set_prompt_tokens(static_cast<uint32_t>(usage.prompt_tokens));
  out->set_generated_tokens(static_cast<uint32_t>(usage.generated_tokens));
  out->set_queue_seconds(usage.queue_seconds);
  out->set_prefill_seconds(usage.prefill_seconds);
  out->set_decode_seconds(usage.decode_seconds);
}

}  // namespace

GeneratorService::GeneratorService(const ModelConfig* config, const Tokenizer* tokenizer,
                                   Engine* engine, WorkerSet* workers, const ExpertLoad* load,
                                   RouterMetrics* metrics, Identity identity)
    : config_(config),
      tokenizer_(tokenizer),
      engine_(engine),
      workers_(workers),
      load_(load),
      metrics_(metrics),
      identity_(std::move(identity)) {}

grpc::Status GeneratorService::Generate(grpc::ServerContext* context,
                                        const v1::GenerateRequest* request,
                                        grpc::ServerWriter<v1::GenerateReply>* writer) {
  const absl::Status status = Serve(context, *request, writer);
  metrics_->CountRequest(status);
  if (absl::IsResourceExhausted(status))
    context->AddTrailingMetadata("retry-after-ms", absl::StrCat(kRetryAfterMs));
  return ToGrpc(status);
}

absl::StatusOr<std::shared_ptr<TokenStream>> GeneratorService::Submit(
    const grpc::ServerContext& context, const v1::GenerateRequest& request) {
  ASSIGN_OR_RETURN(EngineRequest engine_request, ReadRequest(request, *config_, *tokenizer_));
  engine_request.deadline = absl::FromChrono(context.deadline());
  if (engine_request.id.empty())
    engine_request.id = absl::StrCat("r", num_requests_.fetch_add(1) + 1);
  return engine_->Submit(std::move(engine_request));
}

absl::Status GeneratorService::Serve(grpc::ServerContext* context,
                                     const v1::GenerateRequest& request,
                                     grpc::ServerWriter<v1::GenerateReply>* writer) {
  const absl::StatusOr<std::shared_ptr<TokenStream>> stream = Submit(*context, request);
  if (!stream.ok()) return stream.status();
  absl::Status status = Stream(context, request, stream->get(), writer);
  // However the answer ended, the engine works for nobody from here on.
  (*stream)->Cancel();
  return status;
}

absl::Status GeneratorService::Stream(grpc::ServerContext* context,
                                      const v1::GenerateRequest& request, TokenStream* stream,
                                      grpc::ServerWriter<v1::GenerateReply>* writer) {
  Detokenizer detokenizer(&tokenizer_->vocabulary(),
                          request.show_control_tokens() ? ControlText::kShow : ControlText::kHide);
  StopMatcher matcher({request.stop().begin(), request.stop().end()});
  v1::GenerateReply reply;
  for (;;) {
    const std::optional<TokenEvent> event = stream->Next(kPatience);
    if (context->IsCancelled()) {
      return absl::FromChrono(context->deadline()) <= absl::Now()
                 ? absl::DeadlineExceededError("the deadline passed")
                 : absl::CancelledError("cancelled by the client");
    }
    std::optional<EndEvent> end;
    reply.Clear();
    if (event) {
      AddToken(*event, request.logprobs() > 0, &reply);
      ASSIGN_OR_RETURN(const std::string text, detokenizer.Append(event->id));
      reply.set_text(matcher.Append(text));
      if (matcher.stopped()) {
        // Tokens that the engine makes until it notices are nobody's.
        stream->Cancel();
        reply.set_finish_reason(v1::FINISH_REASON_STOP);
        FillUsage(event->usage, reply.mutable_usage());
        return writer->Write(reply) ? absl::OkStatus()
                                    : absl::CancelledError("the client has gone");
      }
    } else if (end = stream->ended(); end) {
      if (end->reason == EndReason::kFailed) return end->status;
      reply.set_text(matcher.Append(detokenizer.Finish()));
      if (!matcher.stopped()) reply.mutable_text()->append(matcher.Finish());
      reply.set_finish_reason(end->reason == EndReason::kLength && !matcher.stopped()
                                  ? v1::FINISH_REASON_LENGTH
                                  : v1::FINISH_REASON_STOP);
      if (end->stop_id && !matcher.stopped()) reply.set_stop_id(*end->stop_id);
      FillUsage(end->usage, reply.mutable_usage());
    } else {
      continue;
    }
    if (!writer->Write(reply)) return absl::CancelledError("the client has gone");
    if (end) return absl::OkStatus();
  }
}

grpc::Status GeneratorService::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                         v1::RouterStatus* status) {
  status->set_model_digest(identity_.model_digest);
  status->set_expert_format(identity_.expert_format);
  status->set_max_context(static_cast<uint64_t>(engine_->options().max_context));
  status->set_running(static_cast<uint32_t>(engine_->num_running()));
  status->set_queued(static_cast<uint32_t>(engine_->num_queued()));
  for (const WorkerSet::Worker& worker : workers_->Describe()) {
    v1::WorkerStatus* out = status->add_workers();
    out->set_name(worker.name);
    out->set_connected(worker.connected);
    out->set_num_experts(static_cast<uint32_t>(worker.num_experts));
    out->set_pairs(worker.pairs);
    out->set_compute_seconds(worker.compute_seconds);
    out->set_error(std::string(worker.status.message()));
  }
  return grpc::Status::OK;
}

grpc::Status GeneratorService::GetExpertLoad(grpc::ServerContext*, const v1::GetExpertLoadRequest*,
                                             v1::ExpertLoadReply* reply) {
  reply->set_num_layers(static_cast<uint32_t>(load_->num_layers()));
  reply->set_num_experts(static_cast<uint32_t>(load_->num_experts()));
  for (const uint64_t rows : load_->Snapshot()) reply->add_rows(rows);
  return grpc::Status::OK;
}

}  // namespace coterie
