// kv_store: keeps contexts' keys and values for routers, in memory and on disk.
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/server_builder.h"
#include "kernels/status_macros.h"
#include "kv_store/call_gate.h"
#include "kv_store/client/wire.h"
#include "kv_store/file_store.h"
#include "kv_store/metrics.h"
#include "kv_store/objects_service.h"
#include "kv_store/service.h"
#include "kv_store/shared_windows.h"
#include "kv_store/store_node.h"
#include "ops/process/clock.h"
#include "ops/process/flags.h"
#include "ops/process/log.h"
#include "ops/process/server_process.h"

ABSL_FLAG(uint64_t, memory_bytes, uint64_t{4} << 30,
          "Memory for objects. A context of 32k tokens of the 26B takes about 550 MB.");
ABSL_FLAG(uint64_t, tenant_memory_bytes, 0, "Memory that one tenant may use; 0: all of it.");
ABSL_FLAG(std::string, folder, "",
          "Folder on a local SSD for what is to outlive this process. Empty: memory only.");
ABSL_FLAG(uint64_t, disk_bytes, uint64_t{64} << 30, "How large the folder may get.");
ABSL_FLAG(uint64_t, segment_bytes, uint64_t{256} << 20,
          "Size of its files; at most a quarter of --disk_bytes.");
ABSL_FLAG(uint64_t, write_queue_bytes, uint64_t{256} << 20,
          "What may wait for the disk; beyond it objects stay in memory only.");
ABSL_FLAG(bool, shared_memory, true,
          "Exchanges objects with routers of this machine and user through shared memory.");
ABSL_FLAG(int, max_calls, 256, "Calls at once; each holds a thread.");

namespace coterie {
namespace {

StoreNode::Options OptionsFromFlags() {
  StoreNode::Options options;
  options.memory.capacity_bytes = absl::GetFlag(FLAGS_memory_bytes);
  if (const uint64_t most = absl::GetFlag(FLAGS_tenant_memory_bytes); most > 0)
    options.memory.tenant_bytes_max = most;
  options.disk.capacity_bytes = absl::GetFlag(FLAGS_disk_bytes);
  options.disk.segment_bytes = absl::GetFlag(FLAGS_segment_bytes);
  options.write_queue_bytes = absl::GetFlag(FLAGS_write_queue_bytes);
  return options;
}

absl::Status Run() {
  ServerOptions server = ServerOptionsFromFlags("kv_store");
  server.keeps_memory = true;
  ASSIGN_OR_RETURN(auto process, ServerProcess::Create(std::move(server)));
  std::unique_ptr<FileStore> folder;
  if (const std::string path = absl::GetFlag(FLAGS_folder); !path.empty()) {
    ASSIGN_OR_RETURN(folder, OpenFolder(path));
  }
  const absl::Time start = MonotonicNow();
  ASSIGN_OR_RETURN(const auto node,
                   StoreNode::Create(OptionsFromFlags(), std::move(folder), start));
  if (node->disk() != nullptr) {
    LogInfo("folder read", {{"objects", node->disk()->num_objects()},
                            {"damaged", node->disk()->counts().recovered_gaps},
                            {"took", MonotonicNow() - start}});
  }
  CallGate gate(absl::GetFlag(FLAGS_max_calls));
  std::unique_ptr<SharedWindows> windows;
  if (absl::GetFlag(FLAGS_shared_memory)) {
    absl::StatusOr<std::unique_ptr<SharedWindows>> started = SharedWindows::Start();
    if (started.ok()) {
      windows = *std::move(started);
    } else {
      LogWarning("no memory is shared with routers", {{"reason", started.status().message()}});
    }
  }
  ObjectsService objects(node.get(), &gate, windows.get());
  KvStoreService service(node.get(), &objects, &gate);
  const auto metrics = std::make_shared<NodeMetrics>(node.get(), &objects, &gate);
  process->AddMetrics(metrics);
  RETURN_IF_ERROR(process->Start({&service, &objects}, [](grpc::ServerBuilder& builder) {
    builder.SetMaxReceiveMessageSize(kFrameBytesMax);
    builder.SetMaxSendMessageSize(kFrameBytesMax);
  }));
  const absl::Time deadline = process->WaitForDrain();
  objects.Seal();
  gate.Close(deadline);
  process->Stop(deadline);
  if (!node->Flush(deadline))
    LogWarning("not all is on disk", {{"bytes", node->write_queue_bytes()}});
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv,
                            "Keeps blocks of keys and values for routers, in memory and on disk.");
  if (absl::GetFlag(FLAGS_max_calls) < 1)
    coterie::ExitWithUsageError("--max_calls: at least one call");
  return coterie::ExitCodeFor(coterie::Run());
}
