// router: takes requests to their last token.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kernels/status_macros.h"
#include "model/load_flags.h"
#include "ops/process/clock.h"
#include "ops/process/cluster_token.h"
#include "ops/process/flags.h"
#include "ops/process/log.h"
#include "ops/process/port_file.h"
#include "ops/process/server_process.h"
#include "router/experts/worker_set.h"
#include "router/http_frontend.h"
#include "router/kv/open_block_store.h"
#include "router/router_stack.h"

ABSL_FLAG(std::string, model, "",
          "The model: a directory with config.json and safetensors, or a .gguf file. Required.");
ABSL_FLAG(std::string, experts, "",
          "Where the experts are computed: \"local\" (in this process) or \"remote\" (by "
          "--workers). Empty: remote if --workers is given, else local.");
ABSL_FLAG(std::vector<std::string>, workers, {},
          "Expert workers, host:port,host:port or unix:/path. One that was started without a shard "
          "is told shard i/n of this list, i/nxC with --copies=C.");
ABSL_FLAG(bool, accept_workers, false,
          "Take in workers that announce themselves (--announce), besides those of --workers.");
ABSL_FLAG(std::string, cluster_token_file, "",
          "The cluster's shared secret, one line, which workers that announce themselves must "
          "show. Empty: none.");
ABSL_FLAG(std::string, placement, "fixed",
          "Who holds which expert: \"fixed\": what workers were told at their start; \"planned\": "
          "routers have experts moved, so that each has its copies and load is even.");
ABSL_FLAG(int64_t, copies, 1,
          "Copies of each expert, on different workers, where routers say who holds what: with 2 "
          "any one worker may die and no request notices.");
ABSL_FLAG(int64_t, min_workers, 1,
          "With --placement=planned: nothing is moved before so many workers are there.");
ABSL_FLAG(absl::Duration, replace_after, absl::Seconds(5),
          "With --placement=planned: how long a worker is gone before others get the copies that "
          "it held.");
ABSL_FLAG(int64_t, move_bytes_per_minute, int64_t{2} << 30,
          "With --placement=planned: experts moved a minute to even out load. Copies that are "
          "missing are not counted.");
ABSL_FLAG(std::string, quantise, "",
          "Quantise f32, f16 or bf16 weights while loading: q8_0 or q4_0. Empty: keep the file's "
          "format. Must equal the workers'.");
ABSL_FLAG(std::string, kv_type, "auto",
          "Numbers of the KV cache: f32, bf16, or auto (f32 for f32 experts, else bf16).");
ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(int64_t, prefill_chunk, 512,
          "Prompt tokens in one step, 1 to 4096. Larger is faster, and lets others wait longer. "
          "Does not change results.");
ABSL_FLAG(int64_t, kv_bytes, int64_t{2} << 30,
          "Memory for keys and values of all running requests, in bytes; taken as it is needed.");
ABSL_FLAG(int64_t, max_context, 8192, "Tokens of one request, prompt and answer together.");
ABSL_FLAG(int64_t, max_sequences, 16, "Requests that run at once.");
ABSL_FLAG(int64_t, max_queued, 256,
          "Requests that wait at most; further ones are refused with RESOURCE_EXHAUSTED.");
ABSL_FLAG(
    int64_t, max_queued_per_tenant, 0,
    "Of those, requests of one tenant at most; 0: half of them with --api_keys_file, else all.");
ABSL_FLAG(bool, prefix_cache, true,
          "Keep what finished requests have computed, within --kv_bytes, for others that begin the "
          "same. Does not change results.");
ABSL_FLAG(std::string, kv_store, "",
          "Where contexts are kept beyond --kv_bytes: kv_store processes, "
          "host:port,host:port or unix:/path, the same for all routers, or memory:BYTES, within "
          "this process. Empty: nowhere. Needs --prefix_cache. Does not change results.");
ABSL_FLAG(int64_t, kv_store_copies, 1,
          "On how many of the kv_store processes each block is kept; with 2 one may die and no "
          "context is lost.");
ABSL_FLAG(std::string, public_prompts, "",
          "File of prompts that tenants share through --kv_store, a JSON object a line: messages "
          "and tools that conversations begin with. Nothing else is shared between tenants.");
ABSL_FLAG(
    absl::Duration, kv_store_patience, absl::Milliseconds(3),
    "How long a request that could start waits to learn what the store has of it; one that is "
    "resumed 100ms at least.");
ABSL_FLAG(int64_t, kv_store_queue_bytes, int64_t{512} << 20,
          "Blocks that wait to be written to the store, in bytes, beyond --kv_bytes at most; "
          "further ones are not written.");
ABSL_FLAG(
    std::string, api_keys_file, "",
    "Lines `TENANT KEY [WEIGHT [PRIORITY]]`: who may call, with what share when all want more "
    "than there is, and up to what priority (0). Empty: everybody may call, all are one "
    "tenant, and ask for any priority.");
ABSL_FLAG(int, http_port, 1234,
          "Port of the HTTP door, for clients of OpenAI's and Anthropic's APIs; 0: a free one, -1: "
          "none.");
ABSL_FLAG(std::string, http_port_file, "",
          "File that gets the HTTP port once requests are taken; empty: none.");
ABSL_FLAG(int, http_threads, 2, "Threads of the HTTP door, for all its connections.");
ABSL_FLAG(absl::Duration, http_request_timeout, absl::Hours(1),
          "A request by HTTP that has not ended by then does.");
ABSL_FLAG(bool, http_allow_all_origins, false,
          "Web pages of other sites may call this router (CORS).");
ABSL_FLAG(std::vector<std::string>, model_names, {"gemma-4-26b-a4b"},
          "What /v1/models lists. Requests may name any model.");
ABSL_FLAG(bool, thinking, false, "By HTTP: reason before answering, where a request says nothing.");
ABSL_FLAG(
    absl::Duration, promote_after, absl::Seconds(30),
    "When nothing of a tenant and a priority has been in a step for so long, its next request "
    "goes, for as long, before those of higher priority.");
ABSL_FLAG(absl::Duration, dispatch_timeout, absl::Seconds(10),
          "A worker that has not answered by then counts as gone until it answers; other copies of "
          "its experts are asked long before.");
ABSL_FLAG(
    absl::Duration, expert_wait, absl::Seconds(30),
    "How long an expert may be held by no connected worker before the requests fail that need "
    "it; they wait meanwhile.");
ABSL_FLAG(absl::Duration, connect_timeout, absl::Seconds(60),
          "How long to wait for the workers at start, their loading included.");

namespace coterie {
namespace {

absl::Status ReadClusterFlags(RouterOptions* options) {
  ClusterOptions& cluster = options->cluster;
  const std::string placement = absl::GetFlag(FLAGS_placement);
  if (placement != "fixed" && placement != "planned")
    return absl::InvalidArgumentError("--placement is fixed or planned, not \"" + placement + "\"");
  cluster.plan_placement = placement == "planned";
  cluster.accept_workers = absl::GetFlag(FLAGS_accept_workers);
  ASSIGN_OR_RETURN(cluster.token, ReadClusterToken(absl::GetFlag(FLAGS_cluster_token_file)));
  cluster.min_workers = absl::GetFlag(FLAGS_min_workers);
  cluster.replace_after = absl::GetFlag(FLAGS_replace_after);
  cluster.move_bytes_per_minute = absl::GetFlag(FLAGS_move_bytes_per_minute);
  options->copies = absl::GetFlag(FLAGS_copies);
  const auto num_workers = static_cast<int64_t>(options->workers.size());
  if (cluster.plan_placement && num_workers == 0 && !cluster.accept_workers)
    return absl::InvalidArgumentError("--placement=planned needs --workers or --accept_workers");
  if (options->copies < 1 || options->copies > 16 ||
      (!cluster.plan_placement && options->copies > std::max<int64_t>(1, num_workers))) {
    return absl::InvalidArgumentError(
        "--copies is 1 to 16, and with --placement=fixed at most the number of --workers");
  }
  for (const std::string& worker : options->workers) {
    if (worker.empty()) return absl::InvalidArgumentError("--workers has an empty address");
  }
  if (cluster.min_workers < 1 || cluster.min_workers > WorkerSet::kWorkersMax)
    return absl::InvalidArgumentError(
        absl::StrCat("--min_workers is 1 to ", WorkerSet::kWorkersMax));
  if (cluster.replace_after < absl::ZeroDuration() || cluster.replace_after > absl::Hours(24))
    return absl::InvalidArgumentError("--replace_after is 0 to 24h");
  if (cluster.move_bytes_per_minute < 0)
    return absl::InvalidArgumentError("--move_bytes_per_minute is at least 0");
  return absl::OkStatus();
}

absl::StatusOr<RouterOptions> ReadFlags() {
  RouterOptions options;
  options.model = absl::GetFlag(FLAGS_model);
  ASSIGN_OR_RETURN(options.load, ParseLoadOptions(absl::GetFlag(FLAGS_quantise)));
  options.workers = absl::GetFlag(FLAGS_workers);
  const std::string experts = absl::GetFlag(FLAGS_experts), kv_type = absl::GetFlag(FLAGS_kv_type);
  if (!experts.empty() && experts != "local" && experts != "remote")
    return absl::InvalidArgumentError("--experts is local or remote, not \"" + experts + "\"");
  RETURN_IF_ERROR(ReadClusterFlags(&options));
  const bool has_workers = !options.workers.empty() || options.cluster.accept_workers;
  if (experts == "local" && has_workers)
    return absl::InvalidArgumentError("--experts=local takes no --workers, nor --accept_workers");
  if (experts == "remote" && !has_workers) {
    return absl::InvalidArgumentError(
        "--experts=remote needs --workers=host:port,… or --accept_workers");
  }
  if (kv_type == "f32") options.kv_type = KvType::kF32;
  if (kv_type == "bf16") options.kv_type = KvType::kBF16;
  if (kv_type != "auto" && !options.kv_type)
    return absl::InvalidArgumentError("--kv_type is auto, f32 or bf16, not \"" + kv_type + "\"");
  ASSIGN_OR_RETURN(options.num_threads, ThreadsFromFlag(absl::GetFlag(FLAGS_threads)));
  options.prefill_chunk = absl::GetFlag(FLAGS_prefill_chunk);
  options.kv_bytes = absl::GetFlag(FLAGS_kv_bytes);
  options.engine = {.max_sequences = absl::GetFlag(FLAGS_max_sequences),
                    .max_queued = absl::GetFlag(FLAGS_max_queued),
                    .max_queued_per_tenant = absl::GetFlag(FLAGS_max_queued_per_tenant),
                    .max_context = absl::GetFlag(FLAGS_max_context),
                    .promote_after = absl::GetFlag(FLAGS_promote_after),
                    .expert_wait = absl::GetFlag(FLAGS_expert_wait)};
  options.prefix_cache = absl::GetFlag(FLAGS_prefix_cache);
  options.store_link.patience = absl::GetFlag(FLAGS_kv_store_patience);
  options.store_link.writer.queue_bytes = absl::GetFlag(FLAGS_kv_store_queue_bytes);
  RETURN_IF_ERROR(
      CheckBlockStoreName(absl::GetFlag(FLAGS_kv_store), absl::GetFlag(FLAGS_kv_store_copies)));
  options.public_prompts_file = absl::GetFlag(FLAGS_public_prompts);
  if (!options.public_prompts_file.empty() && absl::GetFlag(FLAGS_kv_store).empty())
    return absl::InvalidArgumentError(
        "--public_prompts needs --kv_store, through which they are shared; one router alone can "
        "have --kv_store=memory:BYTES");
  if (!absl::GetFlag(FLAGS_kv_store).empty() && !options.prefix_cache)
    return absl::InvalidArgumentError("--kv_store needs --prefix_cache");
  if (options.store_link.patience < absl::ZeroDuration() ||
      options.store_link.patience > absl::Seconds(10))
    return absl::InvalidArgumentError("--kv_store_patience is 0 to 10s");
  if (options.store_link.writer.queue_bytes < 0)
    return absl::InvalidArgumentError("--kv_store_queue_bytes is at least 0");
  options.api_keys_file = absl::GetFlag(FLAGS_api_keys_file);
  options.dispatch_timeout = absl::GetFlag(FLAGS_dispatch_timeout);
  options.connect_timeout = absl::GetFlag(FLAGS_connect_timeout);
  for (const auto& [name, timeout] :
       {std::pair<const char*, absl::Duration>{"--dispatch_timeout", options.dispatch_timeout},
        {"--connect_timeout", options.connect_timeout}}) {
    if (timeout <= absl::ZeroDuration() || timeout > absl::Hours(24))
      return absl::InvalidArgumentError(absl::StrCat(name, " is above 0 and at most 24h"));
  }
  if (options.engine.expert_wait < absl::ZeroDuration() ||
      options.engine.expert_wait > absl::Hours(24))
    return absl::InvalidArgumentError("--expert_wait is 0 to 24h");
  if (options.prefill_chunk < 1 || options.prefill_chunk > 4096)
    return absl::InvalidArgumentError("--prefill_chunk is 1 to 4096");
  if (options.engine.max_sequences < 1 || options.engine.max_sequences > 4096)
    return absl::InvalidArgumentError("--max_sequences is 1 to 4096");
  if (options.engine.max_queued < 1 || options.engine.max_queued > 65536)
    return absl::InvalidArgumentError("--max_queued is 1 to 65536");
  if (options.engine.promote_after <= absl::ZeroDuration())
    return absl::InvalidArgumentError("--promote_after is above zero");
  int64_t& per_tenant = options.engine.max_queued_per_tenant;
  if (per_tenant < 0) return absl::InvalidArgumentError("--max_queued_per_tenant is at least 0");
  if (per_tenant == 0 && options.api_keys_file.empty()) per_tenant = options.engine.max_queued;
  if (per_tenant == 0) per_tenant = (options.engine.max_queued + 1) / 2;
  if (options.engine.max_context < 2)
    return absl::InvalidArgumentError("--max_context is at least 2");
  if (options.kv_bytes < 1) return absl::InvalidArgumentError("--kv_bytes is at least 1");
  return options;
}

absl::StatusOr<HttpFrontend::Options> ReadHttpFlags() {
  HttpFrontend::Options options;
  options.server.port = absl::GetFlag(FLAGS_http_port);
  options.server.num_threads = absl::GetFlag(FLAGS_http_threads);
  options.model_names = absl::GetFlag(FLAGS_model_names);
  options.default_thinking = absl::GetFlag(FLAGS_thinking);
  options.allow_all_origins = absl::GetFlag(FLAGS_http_allow_all_origins);
  options.request_timeout = absl::GetFlag(FLAGS_http_request_timeout);
  if (options.server.port < -1 || options.server.port > 65535)
    return absl::InvalidArgumentError("--http_port is -1 to 65535");
  if (options.server.num_threads < 1 || options.server.num_threads > 256)
    return absl::InvalidArgumentError("--http_threads is 1 to 256");
  if (options.model_names.empty() || options.model_names.front().empty())
    return absl::InvalidArgumentError("--model_names is empty");
  if (options.request_timeout <= absl::ZeroDuration())
    return absl::InvalidArgumentError("--http_request_timeout is above zero");
  return options;
}

// Null with --http_port=-1.
absl::StatusOr<std::unique_ptr<HttpFrontend>> StartHttp(HttpFrontend::Options options,
                                                        const std::string& listen_address,
                                                        RouterStack* stack,
                                                        ServerProcess* process) {
  if (options.server.port < 0) return nullptr;
  // A gRPC door on a socket in the file system says nothing of where HTTP shall listen.
  if (!absl::StartsWith(listen_address, "unix:")) options.server.listen_address = listen_address;
  options.metrics_text = [process] { return process->MetricsText(); };
  ASSIGN_OR_RETURN(auto http, HttpFrontend::Start(std::move(options), stack, process->metrics()));
  LogInfo("serving HTTP", {{"port", http->port()}});
  const absl::Status written = WritePortFile(absl::GetFlag(FLAGS_http_port_file), http->port());
  if (!written.ok()) {
    http->Stop(MonotonicNow());
    return written;
  }
  return http;
}

// Until every expert has a home, or the process is to end. Workers can join meanwhile, but nobody
// is told that requests are welcome.
absl::Status WaitForJoining(const RouterStack& stack, ServerProcess* process) {
  constexpr absl::Duration kTick = absl::Milliseconds(100);
  process->SetServing(false);
  const absl::Time deadline = MonotonicNow() + absl::GetFlag(FLAGS_connect_timeout);
  for (;;) {
    absl::Status status = stack.WaitForWorkers(MonotonicNow());
    if (absl::IsFailedPrecondition(status) || (!status.ok() && MonotonicNow() >= deadline))
      return status;
    if (status.ok() || process->WaitForSignal(kTick)) break;
  }
  process->SetServing(true);
  return absl::OkStatus();
}

absl::Status Run(RouterOptions options, HttpFrontend::Options http_options) {
  const ServerOptions server = ServerOptionsFromFlags("router");
  const bool workers_join = options.cluster.accept_workers;
  ASSIGN_OR_RETURN(auto process, ServerProcess::Create(server));
  // Not before the process has taken the signals, which gRPC's threads would get otherwise.
  ASSIGN_OR_RETURN(options.store, OpenBlockStore(absl::GetFlag(FLAGS_kv_store),
                                                 absl::GetFlag(FLAGS_kv_store_copies)));
  ASSIGN_OR_RETURN(const auto stack, RouterStack::Create(std::move(options), process->metrics()));
  absl::Status started = process->Start(stack->services());
  if (started.ok() && workers_join) started = WaitForJoining(*stack, process.get());
  std::unique_ptr<HttpFrontend> http;
  if (started.ok()) {
    auto opened =
        StartHttp(std::move(http_options), server.listen_address, stack.get(), process.get());
    started = opened.status();
    if (opened.ok()) http = *std::move(opened);
  }
  const absl::Time deadline = started.ok() ? process->WaitForDrain() : MonotonicNow();
  stack->Stop(deadline);
  if (http != nullptr) http->Stop(deadline);
  process->Stop(deadline);
  return started;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv,
                            "Serves Gemma 4 26B-A4B: takes prompts by gRPC, runs the trunk of the "
                            "model, and has its experts computed here or by workers.");
  if (absl::GetFlag(FLAGS_model).empty())
    coterie::ExitWithUsageError("--model is required: a model directory or a .gguf file");
  absl::StatusOr<coterie::RouterOptions> options = coterie::ReadFlags();
  if (!options.ok()) coterie::ExitWithUsageError(options.status().message());
  absl::StatusOr<coterie::HttpFrontend::Options> http = coterie::ReadHttpFlags();
  if (!http.ok()) coterie::ExitWithUsageError(http.status().message());
  return coterie::ExitCodeFor(coterie::Run(*std::move(options), *std::move(http)));
}
