// A kv_store in this process, as main.cc makes it: real services on a real socket, a disk that can
// fail, and a life that can end and begin again at the same address.
#ifndef COTERIE_TESTS_KV_STORE_TEST_NODE_H_
#define COTERIE_TESTS_KV_STORE_TEST_NODE_H_

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kernels/check.h"
#include "kv_store/call_gate.h"
#include "kv_store/client/wire.h"
#include "kv_store/objects_service.h"
#include "kv_store/service.h"
#include "kv_store/shared_windows.h"
#include "kv_store/store_node.h"
#include "tests/kv_store/fault_folder.h"

namespace coterie {

class TestNode {
 public:
  static StoreNode::Options SmallOptions() {
    return {.memory = {.capacity_bytes = size_t{64} << 20},
            .disk = {.capacity_bytes = uint64_t{256} << 20, .segment_bytes = uint64_t{16} << 20}};
  }

  explicit TestNode(StoreNode::Options options = SmallOptions(), bool with_disk = true,
                    int max_calls = 64, bool shares_memory = false)
      : options_(options),
        max_calls_(max_calls),
        shares_memory_(shares_memory),
        address_(
            absl::StrCat("unix-abstract:coterie-kv-", std::random_device()(), "-", Count()++)) {
    // As in a process that serves: gRPC lives from beginning to end. That it ends and begins anew
    // between two tests takes it 10 seconds now and then.
    [[maybe_unused]] static const bool is_kept = (grpc_init(), true);
    if (with_disk) disk_ = std::make_shared<FaultDisk>();
    Start();
  }
  ~TestNode() { Stop(); }

  void Start() {
    std::unique_ptr<FileStore> folder;
    if (disk_ != nullptr) folder = std::make_unique<FaultFolder>(disk_);
    auto node = StoreNode::Create(options_, std::move(folder), absl::Now());
    CHECK(node.ok()) << node.status().ToString();
    node_ = *std::move(node);
    gate_ = std::make_unique<CallGate>(max_calls_);
    if (shares_memory_) windows_ = *SharedWindows::Start();
    objects_ = std::make_unique<ObjectsService>(node_.get(), gate_.get(), windows_.get());
    service_ = std::make_unique<KvStoreService>(node_.get(), objects_.get(), gate_.get());
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kFrameBytesMax);
    builder.SetMaxSendMessageSize(kFrameBytesMax);
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(service_.get());
    builder.RegisterService(objects_.get());
    server_ = builder.BuildAndStart();
    CHECK(server_ != nullptr) << address_;
  }
  // At once, as a process that is killed: what waits for the disk is lost.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_ = nullptr;
    service_ = nullptr;
    objects_ = nullptr;
    windows_ = nullptr;
    gate_ = nullptr;
    node_ = nullptr;
  }

  const std::string& address() const { return address_; }
  StoreNode& node() { return *node_; }
  CallGate& gate() { return *gate_; }
  ObjectsService& objects() { return *objects_; }
  FaultDisk& disk() { return *disk_; }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  }

 private:
  static std::atomic<int>& Count() {
    static std::atomic<int> count{0};
    return count;
  }

  const StoreNode::Options options_;
  const int max_calls_;
  const bool shares_memory_;
  const std::string address_;
  std::shared_ptr<FaultDisk> disk_;
  std::unique_ptr<StoreNode> node_;
  std::unique_ptr<CallGate> gate_;
  std::unique_ptr<SharedWindows> windows_;
  std::unique_ptr<ObjectsService> objects_;
  std::unique_ptr<KvStoreService> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_KV_STORE_TEST_NODE_H_
