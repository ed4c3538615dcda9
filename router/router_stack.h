// RouterStack: everything between a checkpoint and the service, built in order and taken down in
// reverse. What main runs, and what tests and benches run in their own process.
#ifndef COTERIE_ROUTER_ROUTER_STACK_H_
#define COTERIE_ROUTER_ROUTER_STACK_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/channel/expert_load.h"
#include "kv_store/client/block_store.h"
#include "model/checkpoint.h"
#include "model/tokenizer.h"
#include "model/trunk.h"
#include "model/weights.h"
#include "router/engine/engine.h"
#include "router/engine/step.h"
#include "router/experts/dispatcher.h"
#include "router/experts/membership_service.h"
#include "router/experts/placement_keeper.h"
#include "router/experts/placement_metrics.h"
#include "router/experts/worker_set.h"
#include "router/frontend/engine_completions.h"
#include "router/frontend/grpc_door.h"
#include "router/frontend/reader_pool.h"
#include "router/frontend/tenants.h"
#include "router/journal/journal_metrics.h"
#include "router/journal/request_journals.h"
#include "router/kv/kv_cache.h"
#include "router/kv/kv_codec.h"
#include "router/kv/kv_store_metrics.h"
#include "router/kv/store_link.h"
#include "router/metrics.h"

namespace coterie {

// What a router does about who its workers are and what they hold.
struct ClusterOptions {
  bool accept_workers = false;  // that announce themselves
  std::string token;            // that they show; empty: none
  bool plan_placement =
      false;                // this router may move experts; else workers hold what they are told
  int64_t min_workers = 1;  // the planner waits for so many
  absl::Duration replace_after = absl::Seconds(5);
  int64_t move_bytes_per_minute = int64_t{2} << 30;
  absl::Duration look_every = absl::Seconds(1);  // of the planner
  absl::Duration planner_lease = absl::Seconds(5);
};

struct RouterOptions {
  std::string model;  // path
  LoadOptions load;
  std::vector<std::string> workers;  // addresses; empty: experts in this process
  std::optional<KvType> kv_type;     // missing: f32 for f32 experts, else bf16
  int num_threads = 1;
  int64_t prefill_chunk = 512;
  int64_t kv_bytes = 2LL << 30;
  bool prefix_cache = true;
  Engine::Options engine;
  std::string api_keys_file;        // empty: everybody may call
  std::string public_prompts_file;  // what tenants share (router/openai/public_prompts.h); or empty
  int64_t copies = 1;               // of each expert, where a router says who holds what
  ClusterOptions cluster;
  // Keeps contexts beyond this router; null: none. Several routers of one process may share one.
  std::shared_ptr<BlockStore> store;
  StoreLink::Options store_link;  // its root_fields are filled in, as those of `journals`
  RequestJournals::Options journals;
  // For tests: makes the workers, in place of `workers`.
  std::function<std::unique_ptr<WorkerSet>(const Checkpoint& checkpoint)> make_workers;
  absl::Duration dispatch_timeout = absl::Seconds(10);
  absl::Duration connect_timeout = absl::Seconds(60);
};

class RouterStack {
 public:
  // Loads the trunk (and the experts, if there are no workers), connects, and starts the engine.
  // Waits for the workers, but not where they announce themselves: services() takes them in.
  // Errors as the parts give them.
  static absl::StatusOr<std::unique_ptr<RouterStack>> Create(RouterOptions options,
                                                             prometheus::Registry& registry);
  ~RouterStack();

  // Finishes what is in hand until `deadline`, then gives the store what is still to be written.
  void Stop(absl::Time deadline);

  // Until every expert has a home; errors as WorkerSet::WaitForHomes.
  absl::Status WaitForWorkers(absl::Time deadline) const {
    return workers_->WaitForHomes(deadline);
  }

  // What the process serves by gRPC; they outlive their server.
  std::vector<grpc::Service*> services();
  GrpcDoor& grpc_door() { return *grpc_door_; }
  EngineCompletions& completions() { return *completions_; }
  const Tenants& tenants() const { return tenants_; }
  ReaderPool& readers() { return readers_; }
  Engine& engine() { return *engine_; }
  WorkerSet& workers() { return *workers_; }
  const ModelConfig& config() const { return checkpoint_->config(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const TrunkWeights& trunk_weights() const { return *weights_; }
  Step& step() { return *step_; }
  KvCache& cache() { return *cache_; }
  StoreLink* store_link() { return store_link_.get(); }  // null: no store
  RouterMetrics& metrics() { return *metrics_; }
  const ExpertLoad& expert_load() const { return *expert_load_; }
  int64_t trunk_bytes() const { return static_cast<int64_t>(weights_->size_bytes()); }
  int64_t resident_bytes() const;

 private:
  RouterStack() = default;
  void ConnectWorkers(const RouterOptions& options, DType format);

  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Parallel> pool_;
  std::unique_ptr<TrunkWeights> weights_;
  std::unique_ptr<ExpertHost> host_;  // experts in this process
  std::unique_ptr<WorkerSet> workers_;
  std::unique_ptr<MembershipService> membership_;
  std::unique_ptr<PlacementMetrics> placement_metrics_;
  std::unique_ptr<PlacementKeeper> placement_keeper_;
  std::unique_ptr<RouterMetrics> metrics_;
  std::unique_ptr<ExpertLoad> expert_load_;
  std::unique_ptr<Trunk> trunk_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Step> step_;
  std::shared_ptr<BlockStore> store_;
  std::unique_ptr<KvStoreMetrics> store_metrics_;
  std::unique_ptr<JournalMetrics> journal_metrics_;
  std::unique_ptr<RequestJournals> journals_;  // null: no store
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<KvCodec> codec_;
  std::unique_ptr<StoreLink> store_link_;  // null: no store
  std::unique_ptr<Engine> engine_;
  Tenants tenants_;
  std::unique_ptr<EngineCompletions> completions_;
  ReaderPool readers_;
  std::unique_ptr<GrpcDoor> grpc_door_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ROUTER_STACK_H_
