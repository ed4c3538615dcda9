// expert_worker: holds some of the model's routed experts and answers dispatches from routers.
#include <limits.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "expert_worker/announcer.h"
#include "expert_worker/channel/wire.h"
#include "expert_worker/expert_host.h"
#include "expert_worker/metrics.h"
#include "expert_worker/service.h"
#include "grpcpp/server_builder.h"
#include "kernels/isa.h"
#include "kernels/status_macros.h"
#include "model/checkpoint.h"
#include "model/load_flags.h"
#include "ops/process/available_memory.h"
#include "ops/process/clock.h"
#include "ops/process/cluster_token.h"
#include "ops/process/flags.h"
#include "ops/process/log.h"
#include "ops/process/server_process.h"

ABSL_FLAG(std::string, model, "",
          "The model: a directory with config.json and safetensors, or a .gguf file. Required.");
ABSL_FLAG(
    std::string, shard, "",
    "Which experts to hold: \"0/4\" (shard 0 of 4), \"0/4x2\" (so that every expert is in two of "
    "the 4), \"0-31,64\" (these experts of every "
    "layer) or \"0-14:0-127;15-29:0-63\" (layers:experts). "
    "Empty: wait for the first router to say.");
ABSL_FLAG(std::string, quantise, "",
          "Quantise f32, f16 or bf16 experts while loading: q8_0 or q4_0. Empty: keep the file's "
          "format. Must equal the router's.");
ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one per core.");
ABSL_FLAG(int64_t, memory_bytes, 0,
          "Memory for experts; a router that plans gives this worker no more. 0: four fifths of "
          "what the machine has left at start.");
ABSL_FLAG(
    std::string, domain, "",
    "What fails together with this worker, say its machine or rack: copies of an expert go to "
    "different domains. Empty: this worker alone.");
ABSL_FLAG(std::vector<std::string>, announce, {},
          "Routers to join, host:port,host:port or unix:/path: they are told once a second where "
          "this worker is.");
ABSL_FLAG(std::string, advertise_address, "",
          "Where they reach it. Empty: this host's name, or --listen_address unless that is "
          "0.0.0.0, and the port.");
ABSL_FLAG(std::string, cluster_token_file, "",
          "The cluster's shared secret, one line; must equal the routers'. Empty: none.");

namespace coterie {
namespace {

// Where routers reach this worker.
std::string AdvertisedAddress(const ServerOptions& server, int port) {
  if (std::string given = absl::GetFlag(FLAGS_advertise_address); !given.empty()) return given;
  if (absl::StartsWith(server.listen_address, "unix:")) return server.listen_address;
  if (server.listen_address != "0.0.0.0") return absl::StrCat(server.listen_address, ":", port);
  char host[HOST_NAME_MAX + 1] = {};
  return gethostname(host, sizeof(host) - 1) == 0 ? absl::StrCat(host, ":", port)
                                                  : absl::StrCat("127.0.0.1:", port);
}

int64_t MemoryForExperts() {
  const int64_t given = absl::GetFlag(FLAGS_memory_bytes);
  return given > 0 ? given : AvailableMemoryBytes() / 5 * 4;
}

absl::Status Run(const LoadOptions& load, int num_threads) {
  const ServerOptions server = ServerOptionsFromFlags("expert_worker");
  ASSIGN_OR_RETURN(const std::string token,
                   ReadClusterToken(absl::GetFlag(FLAGS_cluster_token_file)));
  ASSIGN_OR_RETURN(auto process, ServerProcess::Create(server));
  ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(absl::GetFlag(FLAGS_model)));
  const ModelConfig& config = checkpoint->config();
  LogInfo("model opened", {{"path", checkpoint->path()},
                           {"digest", checkpoint->digest()},
                           {"isa", IsaName(CurrentIsa())},
                           {"threads", num_threads}});

  Parallel pool(num_threads);
  ExpertHost host(checkpoint.get(), load, &pool);
  ExpertWorkerMetrics metrics(process->metrics(), config.num_layers, config.num_experts);
  ExpertWorkerService service(
      &host, &metrics,
      {.holdings = {.num_threads = num_threads,
                    .capacity_bytes = MemoryForExperts(),
                    .capacity_is_guessed = absl::GetFlag(FLAGS_memory_bytes) == 0,
                    .domain = absl::GetFlag(FLAGS_domain)}});
  if (const std::string text = absl::GetFlag(FLAGS_shard); !text.empty()) {
    ASSIGN_OR_RETURN(const Shard shard, Shard::Parse(text, config.num_layers, config.num_experts));
    RETURN_IF_ERROR(service.LoadShard(shard));
  }
  RETURN_IF_ERROR(process->Start({&service}, [](grpc::ServerBuilder& builder) {
    builder.SetMaxReceiveMessageSize(kDispatchBytesMax);
    builder.SetMaxSendMessageSize(kCombineBytesMax);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLinkWindowBytes);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  }));
  std::optional<Announcer> announcer;
  if (const std::vector<std::string> routers = absl::GetFlag(FLAGS_announce); !routers.empty()) {
    announcer.emplace(Announcer::Options{.routers = routers,
                                         .address = AdvertisedAddress(server, process->port()),
                                         .model_digest = checkpoint->digest(),
                                         .expert_format = DTypeName(host.format()),
                                         .token = token});
  }
  const absl::Time deadline = process->WaitForDrain();
  // Half of the time to give experts away, the rest to answer what is in hand.
  service.Leave(MonotonicNow() + (deadline - MonotonicNow()) / 2);
  service.Drain(deadline);
  process->Stop(deadline);
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(
      argc, argv, "Holds some of the experts of Gemma 4 26B-A4B and computes them for routers.");
  if (absl::GetFlag(FLAGS_model).empty())
    coterie::ExitWithUsageError("--model is required: a model directory or a .gguf file");
  const absl::StatusOr<coterie::LoadOptions> load =
      coterie::ParseLoadOptions(absl::GetFlag(FLAGS_quantise));
  if (!load.ok()) coterie::ExitWithUsageError(load.status().message());
  const absl::StatusOr<int> threads = coterie::ThreadsFromFlag(absl::GetFlag(FLAGS_threads));
  if (!threads.ok()) coterie::ExitWithUsageError(threads.status().message());
  if (absl::GetFlag(FLAGS_memory_bytes) < 0)
    coterie::ExitWithUsageError("--memory_bytes is at least 0");
  for (const std::string& router : absl::GetFlag(FLAGS_announce)) {
    if (router.empty()) coterie::ExitWithUsageError("--announce has an empty address");
  }
  return coterie::ExitCodeFor(coterie::Run(*load, *threads));
}
