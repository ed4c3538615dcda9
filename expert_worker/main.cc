// expert_worker: holds some of the model's routed experts and answers dispatches from routers.
#include <memory>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "expert_worker/channel/wire.h"
#include "expert_worker/expert_host.h"
#include "expert_worker/metrics.h"
#include "expert_worker/service.h"
#include "grpcpp/server_builder.h"
#include "kernels/isa.h"
#include "kernels/status_macros.h"
#include "model/checkpoint.h"
#include "model/load_flags.h"
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

namespace coterie {
namespace {

absl::Status Run(const LoadOptions& load, int num_threads) {
  ASSIGN_OR_RETURN(auto process, ServerProcess::Create(ServerOptionsFromFlags("expert_worker")));
  ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(absl::GetFlag(FLAGS_model)));
  const ModelConfig& config = checkpoint->config();
  LogInfo("model opened", {{"path", checkpoint->path()},
                           {"digest", checkpoint->digest()},
                           {"isa", IsaName(CurrentIsa())},
                           {"threads", num_threads}});

  Parallel pool(num_threads);
  ExpertHost host(checkpoint.get(), load, &pool);
  ExpertWorkerMetrics metrics(process->metrics(), config.num_layers, config.num_experts);
  ExpertWorkerService service(&host, &metrics, num_threads);
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
  const absl::Time deadline = process->WaitForDrain();
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
  return coterie::ExitCodeFor(coterie::Run(*load, *threads));
}
