// A cluster that plans its own placement: workers join with nothing, leave and die while requests
// are answered; routers agree who plans. Every answer has the tokens of the transformers golden.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "expert_worker/announcer.h"
#include "proto/membership.grpc.pb.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

constexpr int64_t kAllExperts = 6 * 8;
constexpr char kToken[] = "a-secret-of-this-cluster";

const std::string kModel = kCheckpoints + "tiny_f32";

// A second copy of everything, and what is planned soon shows.
Cluster::Options Planned(std::vector<std::string> workers) {
  return {.model = kModel,
          .copies = 2,
          .cluster = {.plan_placement = true,
                      .replace_after = absl::Milliseconds(200),
                      .look_every = absl::Milliseconds(20),
                      .planner_lease = absl::Milliseconds(500)},
          .more_workers = std::move(workers)};
}

std::unique_ptr<WorkerServer> EmptyWorker() { return std::make_unique<WorkerServer>(kModel, ""); }

int64_t NumHeld(const WorkerServer& worker) {
  const auto stub = v1::ExpertWorker::NewStub(
      grpc::CreateChannel(worker.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::WorkerDescription description;
  EXPECT_TRUE(stub->Describe(&context, {}, &description).ok());
  return Shard::FromBitmap(description.resident(), 6, 8)->num_held();
}

// The fewest connected workers that hold an expert, as the router knows them.
int64_t NumCopiesMin(Cluster& cluster) {
  std::vector<Shard> held;
  for (const WorkerSet::Worker& worker : cluster.router().workers().Describe())
    held.push_back(worker.connected ? worker.held : Shard());
  return Placement(held, 6, 8).num_copies_min();
}

bool Within(absl::Duration timeout, const std::function<bool()>& holds) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!holds()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}
constexpr absl::Duration kSoon = absl::Seconds(30);

// Requests one after the other, on a thread of their own; each has the golden's tokens.
class Asker {
 public:
  explicit Asker(Cluster* cluster)
      : goldens_(ReadGoldens()), thread_([this, cluster] { Run(cluster); }) {}
  ~Asker() {
    stop_ = true;
    thread_.join();
    EXPECT_GT(num_answered_, 0);
  }
  // Until some more requests have begun and ended.
  void WaitForMore() {
    const int seen = num_answered_;
    EXPECT_TRUE(Within(kSoon, [&] { return num_answered_ > seen + 1; }));
  }

 private:
  void Run(Cluster* cluster) {
    for (size_t i = 0; !stop_; i = (i + 1) % 8) {
      const Reply reply = cluster->Generate(
          TokensRequest(goldens_[i].prompt, static_cast<uint32_t>(goldens_[i].greedy.size())));
      EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
      EXPECT_EQ(reply.ids(), goldens_[i].greedy) << "prompt " << i;
      ++num_answered_;
    }
  }

  const std::vector<Golden> goldens_;
  std::atomic<bool> stop_{false};
  std::atomic<int> num_answered_{0};
  std::thread thread_;
};

TEST(PlacementTest, WorkersWithoutAShardGetTwoCopiesOfEverything) {
  const auto a = EmptyWorker(), b = EmptyWorker(), c = EmptyWorker();
  Cluster cluster(Planned({a->address(), b->address(), c->address()}));
  Asker asker(&cluster);
  EXPECT_TRUE(Within(kSoon, [&] { return NumCopiesMin(cluster) == 2; }));
  asker.WaitForMore();
  EXPECT_EQ(cluster.Metric("router_planning"), 1);
  EXPECT_GE(cluster.Metric("router_moved_experts_total", "copies"), 2 * kAllExperts);
}

TEST(PlacementTest, WorkersJoinAndLeaveWhileRequestsGoOn) {
  const auto a = EmptyWorker(), b = EmptyWorker();
  Cluster cluster(Planned({a->address(), b->address()}));
  Asker asker(&cluster);
  ASSERT_TRUE(Within(kSoon, [&] { return NumCopiesMin(cluster) == 2; }));
  auto c = EmptyWorker(), d = EmptyWorker();
  ASSERT_TRUE(cluster.router().workers().Join(c->address()).ok());
  ASSERT_TRUE(cluster.router().workers().Join(d->address()).ok());
  // They take their part of the load.
  ASSERT_TRUE(Within(kSoon, [&] { return NumHeld(*c) > 0 && NumHeld(*d) > 0; }));
  asker.WaitForMore();
  for (std::unique_ptr<WorkerServer>* leaving : {&c, &d}) {
    (*leaving)->service().Leave(absl::Now() + kSoon);
    EXPECT_EQ(NumHeld(**leaving), 0);
    leaving->reset();
    asker.WaitForMore();
  }
  EXPECT_EQ(NumCopiesMin(cluster), 2);
}

TEST(PlacementTest, CopiesThatDiedWithAWorkerAreReplaced) {
  auto a = EmptyWorker(), b = EmptyWorker(), c = EmptyWorker();
  Cluster cluster(Planned({a->address(), b->address(), c->address()}));
  Asker asker(&cluster);
  ASSERT_TRUE(Within(kSoon, [&] { return NumCopiesMin(cluster) == 2; }));
  // What the first has alone with another is then held by the other alone, until it is replaced.
  b.reset();
  asker.WaitForMore();
  EXPECT_TRUE(Within(kSoon, [&] { return NumCopiesMin(cluster) == 2; }));
}

TEST(PlacementTest, OneOfTwoRoutersPlansAndTheOtherTakesOver) {
  const auto a = EmptyWorker(), b = EmptyWorker(), c = EmptyWorker();
  const std::vector<std::string> workers = {a->address(), b->address(), c->address()};
  auto first = std::make_unique<Cluster>(Planned(workers));
  EXPECT_EQ(first->Metric("router_planning"), 1);
  Cluster second(Planned(workers));
  Asker asker(&second);
  ASSERT_TRUE(Within(kSoon, [&] { return NumCopiesMin(second) == 2; }));
  asker.WaitForMore();
  EXPECT_EQ(second.Metric("router_planning"), 0);
  EXPECT_EQ(second.Metric("router_moved_experts_total", "copies"), 0);
  {
    Asker also(first.get());
    also.WaitForMore();
  }
  first.reset();
  EXPECT_TRUE(Within(kSoon, [&] { return second.Metric("router_planning") == 1; }));
  asker.WaitForMore();
}

TEST(PlacementTest, AWorkerMovesNothingForWhoHasNoLease) {
  const auto worker = EmptyWorker();
  const auto stub = v1::ExpertWorker::NewStub(
      grpc::CreateChannel(worker->address(), grpc::InsecureChannelCredentials()));
  const auto lease = [&](const char* planner, uint32_t ttl_ms, v1::LeaseReply* reply) {
    grpc::ClientContext context;
    v1::LeaseRequest request;
    request.set_planner(planner);
    request.set_ttl_ms(ttl_ms);
    return stub->Lease(&context, request, reply);
  };
  const auto move = [&](const char* planner, const std::string& load,
                        const std::string& digest = "") {
    grpc::ClientContext context;
    v1::DescribeRequest describe;
    v1::WorkerDescription description;
    EXPECT_TRUE(stub->Describe(&context, describe, &description).ok());
    grpc::ClientContext move_context;
    v1::MoveRequest request;
    request.set_planner(planner);
    request.set_model_digest(digest.empty() ? description.model_digest() : digest);
    request.set_expert_format(description.expert_format());
    request.set_load(load);
    return stub->Move(&move_context, request, &description);
  };
  const std::string all = Shard::Parse("0/1", 6, 8)->Bitmap();
  EXPECT_EQ(move("p", all).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::LeaseReply reply;
  EXPECT_EQ(lease("", 1000, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(lease("p", 0, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(lease("p", 60'001, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(lease("p", 60'000, &reply).ok());
  EXPECT_TRUE(reply.granted());
  EXPECT_EQ(reply.expert_pairs_size(), kAllExperts);
  ASSERT_TRUE(lease("q", 60'000, &reply).ok());
  EXPECT_FALSE(reply.granted());
  EXPECT_EQ(reply.holder(), "p");
  EXPECT_EQ(move("q", all).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(move("p", "short").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(move("p", all, "another").error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(NumHeld(*worker), 0);
  EXPECT_GE(worker->ErrorsCounted("FAILED_PRECONDITION"), 3);
  EXPECT_TRUE(move("p", all).ok());
  EXPECT_EQ(NumHeld(*worker), kAllExperts);
}

TEST(PlacementTest, AWorkerHoldsNoMoreThanItHasMemoryFor) {
  ExpertWorkerService::Options small;
  const auto whole = EmptyWorker();
  v1::WorkerDescription description;
  whole->service().Describe(nullptr, nullptr, &description);
  small.holdings.capacity_bytes = static_cast<int64_t>(description.expert_bytes()) * 30;
  const auto a = std::make_unique<WorkerServer>(kModel, "", LoadOptions{}, small);
  const auto b = std::make_unique<WorkerServer>(kModel, "", LoadOptions{}, small);
  // Room for one copy of everything, and for a second of a few.
  Cluster cluster(Planned({a->address(), b->address()}));
  Asker asker(&cluster);
  EXPECT_TRUE(Within(kSoon, [&] { return NumHeld(*a) + NumHeld(*b) >= 58; }));
  asker.WaitForMore();
  EXPECT_LE(NumHeld(*a), 30);
  EXPECT_LE(NumHeld(*b), 30);
  a->service().Describe(nullptr, nullptr, &description);
  EXPECT_EQ(description.resident_bytes(),
            description.expert_bytes() * static_cast<uint64_t>(NumHeld(*a)));
  const absl::StatusOr<Shard> all = Shard::Parse("0/1", 6, 8);
  EXPECT_EQ(a->service().LoadShard(*all).code(), absl::StatusCode::kResourceExhausted);
}

TEST(PlacementTest, AShardThatWasAskedForMayBeLargerThanAGuess) {
  ExpertWorkerService::Options guessed;
  guessed.holdings = {.capacity_bytes = 1, .capacity_is_guessed = true};
  const WorkerServer worker(kModel, "0/1", LoadOptions{}, guessed);
  EXPECT_EQ(NumHeld(worker), kAllExperts);
}

class AnnounceTest : public testing::Test {
 protected:
  AnnounceTest() : cluster_(Options()) {}

  static Cluster::Options Options() {
    Cluster::Options options = Planned({});
    options.cluster.accept_workers = true;
    options.cluster.token = kToken;
    return options;
  }
  grpc::Status Announce(v1::AnnounceRequest request, const char* token) {
    const auto stub = v1::Membership::NewStub(
        grpc::CreateChannel(cluster_.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    if (token != nullptr) context.AddMetadata("coterie-cluster-token", token);
    v1::AnnounceReply reply;
    return stub->Announce(&context, request, &reply);
  }
  v1::AnnounceRequest Request(const std::string& address) {
    v1::AnnounceRequest request;
    request.set_address(address);
    request.set_model_digest(cluster_.router().checkpoint().digest());
    request.set_expert_format("f32");
    return request;
  }

  Cluster cluster_;
};

TEST_F(AnnounceTest, WorkersJoinByAnnouncing) {
  const auto a = EmptyWorker(), b = EmptyWorker();
  std::vector<std::unique_ptr<Announcer>> announcers;
  for (const WorkerServer* worker : {a.get(), b.get()}) {
    announcers.push_back(std::make_unique<Announcer>(
        Announcer::Options{.routers = {cluster_.address()},
                           .address = worker->address(),
                           .model_digest = cluster_.router().checkpoint().digest(),
                           .expert_format = "f32",
                           .token = kToken,
                           .period = absl::Milliseconds(50)}));
  }
  EXPECT_TRUE(Within(kSoon, [&] { return NumCopiesMin(cluster_) == 2; }));
  Asker(&cluster_).WaitForMore();
  EXPECT_EQ(cluster_.router().workers().num_workers(), 2);  // told again and again
}

TEST_F(AnnounceTest, StrangersAreRefused) {
  EXPECT_EQ(Announce(Request("127.0.0.1:1"), nullptr).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Announce(Request("127.0.0.1:1"), "a-secret-of-that-cluster").error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Announce(Request(""), kToken).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Announce(Request("two words"), kToken).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::AnnounceRequest other = Request("127.0.0.1:1");
  other.set_model_digest("another");
  EXPECT_EQ(Announce(other, kToken).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(cluster_.router().workers().num_workers(), 0);
}

}  // namespace
}  // namespace coterie
