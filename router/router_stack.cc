#include "router/router_stack.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "expert_worker/expert_host.h"
#include "kernels/isa.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"
#include "router/openai/public_prompts.h"

namespace coterie {
namespace {

std::string NewRouterId() {
  std::random_device random;
  return absl::StrFormat("router-%08x%08x", random(), random());
}

// The form of what is stored, and how it was computed. Raised when either changes in any bit.
constexpr int kStoredFormat = 1;

// Whatever shapes keys and values besides tokens and tenant.
std::vector<std::string> StoreRootFields(const Checkpoint& checkpoint, const LoadOptions& load,
                                         DType expert_format, KvType kv_type) {
  const ModelConfig& config = checkpoint.config();
  return {checkpoint.digest(),
          absl::StrCat("format ", kStoredFormat, " kv ", kv_type == KvType::kF32 ? "f32" : "bf16",
                       " block ", kKvBlockTokens),
          absl::StrCat("experts ", DTypeName(expert_format), " quantised ",
                       load.quantise.has_value() ? DTypeName(*load.quantise) : "no"),
          absl::StrCat("window ", config.sliding_window, " theta ", config.rope_theta_sliding, " ",
                       config.rope_theta_global, " partial ", config.rope_partial_global)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<RouterStack>> RouterStack::Create(RouterOptions options,
                                                                 prometheus::Registry& registry) {
  auto stack = std::unique_ptr<RouterStack>(new RouterStack());
  RouterStack& s = *stack;
  const auto start = std::chrono::steady_clock::now();
  if (!options.api_keys_file.empty()) {
    ASSIGN_OR_RETURN(s.tenants_, Tenants::Load(options.api_keys_file));
  }
  ASSIGN_OR_RETURN(s.checkpoint_, Checkpoint::Open(options.model));
  const ModelConfig& config = s.checkpoint_->config();
  ASSIGN_OR_RETURN(Vocabulary vocabulary, s.checkpoint_->ReadVocabulary());
  if (vocabulary.num_tokens() != config.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the tokenizer has ", vocabulary.num_tokens(), " tokens, the model's embedding ",
        config.vocab_size, " rows: they belong to different models"));
  }
  ASSIGN_OR_RETURN(s.tokenizer_, Tokenizer::Create(std::move(vocabulary)));
  s.pool_ = std::make_unique<Parallel>(options.num_threads);
  ASSIGN_OR_RETURN(TrunkWeights weights, LoadTrunk(*s.checkpoint_, options.load, *s.pool_));
  s.weights_ = std::make_unique<TrunkWeights>(std::move(weights));
  const DType format = LoadedExpertFormat(*s.checkpoint_, options.load);
  s.placement_metrics_ = std::make_unique<PlacementMetrics>(registry);
  if (options.make_workers) {
    s.workers_ = options.make_workers(*s.checkpoint_);
  } else if (options.workers.empty() && !options.cluster.accept_workers) {
    s.host_ = std::make_unique<ExpertHost>(s.checkpoint_.get(), options.load, s.pool_.get());
    ASSIGN_OR_RETURN(const Shard all, Shard::Parse("0/1", config.num_layers, config.num_experts));
    RETURN_IF_ERROR(s.host_->Load(all));
    s.workers_ = WorkerSet::Local(s.host_.get());
  } else {
    s.ConnectWorkers(options, format);
    if (!options.cluster.accept_workers)
      RETURN_IF_ERROR(s.WaitForWorkers(MonotonicNow() + options.connect_timeout));
  }
  s.metrics_ = std::make_unique<RouterMetrics>(registry, config.num_layers, config.num_experts);
  const KvType kv_type =
      options.kv_type.value_or(format == DType::kF32 ? KvType::kF32 : KvType::kBF16);
  // A row for every sequence in decode, and for every token of the chunk.
  const int64_t max_rows = options.prefill_chunk + options.engine.max_sequences;
  s.trunk_ = std::make_unique<Trunk>(
      &config, s.weights_.get(),
      Trunk::Options{.max_rows = max_rows, .kv_type = kv_type, .expert_rows = RowFormatFor(format)},
      s.pool_.get());
  s.expert_load_ = std::make_unique<ExpertLoad>(config.num_layers, config.num_experts);
  s.dispatcher_ =
      std::make_unique<Dispatcher>(s.workers_.get(), options.dispatch_timeout, s.metrics_.get(),
                                   s.expert_load_.get(), s.pool_.get());
  s.step_ = std::make_unique<Step>(&config, s.trunk_.get(), s.dispatcher_.get());
  s.cache_ = std::make_unique<KvCache>(&config, KvOptions{.type = kv_type,
                                                          .prefill_chunk = options.prefill_chunk,
                                                          .budget_bytes = options.kv_bytes,
                                                          .prefix_cache = options.prefix_cache});
  s.store_metrics_ = std::make_unique<KvStoreMetrics>(registry);
  s.journal_metrics_ = std::make_unique<JournalMetrics>(registry);
  if (options.store != nullptr) {
    s.store_ = std::move(options.store);
    s.codec_ = std::make_unique<KvCodec>(&config, s.weights_.get(), &s.cache_->layout(), kv_type);
    options.store_link.root_fields = StoreRootFields(*s.checkpoint_, options.load, format, kv_type);
    if (!options.public_prompts_file.empty()) {
      ASSIGN_OR_RETURN(options.store_link.public_prompts,
                       ReadPublicPrompts(options.public_prompts_file, *s.tokenizer_));
    }
    s.store_link_ = std::make_unique<StoreLink>(s.store_.get(), s.codec_.get(), options.store_link,
                                                s.store_metrics_.get());
    s.cache_->SetStore(s.store_link_.get(), s.pool_.get());
    options.journals.root_fields = options.store_link.root_fields;
    s.journals_ = std::make_unique<RequestJournals>(s.store_.get(), options.journals,
                                                    s.journal_metrics_.get());
  }
  options.engine.tenant_weights = s.tenants_.weights();
  options.engine.max_context = std::min(options.engine.max_context, config.max_positions);
  s.engine_ = std::make_unique<Engine>(&config, options.engine, s.step_.get(), s.cache_.get(),
                                       s.workers_.get(), s.metrics_.get(), s.pool_.get());
  s.completions_ = std::make_unique<EngineCompletions>(&config, s.tokenizer_.get(), &s.tenants_,
                                                       s.engine_.get(), s.metrics_.get());
  s.grpc_door_ = std::make_unique<GrpcDoor>(
      GrpcDoor::Options{.model_digest = s.checkpoint_->digest(),
                        .expert_format = DTypeName(format)},
      s.completions_.get(), &s.tenants_, &s.readers_, s.journals_.get(), s.engine_.get(),
      s.workers_.get(), s.expert_load_.get(), s.metrics_.get());
  LogInfo("model ready", {{"path", options.model},
                          {"digest", s.checkpoint_->digest()},
                          {"experts", s.host_ != nullptr ? "local" : "remote"},
                          {"format", DTypeName(format)},
                          {"bytes", s.resident_bytes()},
                          {"isa", IsaName(CurrentIsa())},
                          {"threads", options.num_threads},
                          {"took", absl::FromChrono(std::chrono::steady_clock::now() - start)}});
  return stack;
}

void RouterStack::ConnectWorkers(const RouterOptions& options, DType format) {
  const ClusterOptions& cluster = options.cluster;
  const ModelConfig& config = checkpoint_->config();
  workers_ = WorkerSet::Remote(
      *checkpoint_, format,
      {.addresses = options.workers, .copies = cluster.plan_placement ? 0 : options.copies});
  const std::string id = NewRouterId(), digest = checkpoint_->digest();
  if (cluster.accept_workers) {
    membership_ = std::make_unique<MembershipService>(
        MembershipService::Options{.router = id,
                                   .model_digest = digest,
                                   .expert_format = DTypeName(format),
                                   .token = cluster.token},
        workers_.get());
  }
  if (!cluster.plan_placement) return;
  placement_keeper_ = std::make_unique<PlacementKeeper>(
      PlacementKeeper::Options{
          .calls = {.planner = id, .model_digest = digest, .expert_format = DTypeName(format)},
          .rebalancer = {.goal = {.num_layers = config.num_layers,
                                  .num_experts = config.num_experts,
                                  .copies = options.copies},
                         .expert_bytes = ExpertBytes(config, format),
                         .even_bytes_per_minute = cluster.move_bytes_per_minute},
          .period = cluster.look_every,
          .lease = cluster.planner_lease,
          .replace_after = cluster.replace_after,
          .min_workers = cluster.min_workers},
      workers_.get(), placement_metrics_.get());
}

std::vector<grpc::Service*> RouterStack::services() {
  std::vector<grpc::Service*> services = grpc_door_->services();
  if (membership_ != nullptr) services.push_back(membership_.get());
  return services;
}

int64_t RouterStack::resident_bytes() const {
  return trunk_bytes() + (host_ == nullptr ? 0 : host_->resident_bytes());
}

void RouterStack::Stop(absl::Time deadline) {
  engine_->Stop(deadline);
  if (store_link_ != nullptr) store_link_->Flush(deadline);
}

RouterStack::~RouterStack() {
  if (engine_ != nullptr) engine_->Stop(absl::InfinitePast());
}

}  // namespace coterie
