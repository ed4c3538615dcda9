// What the dispatcher does with each kind of failure, over channels that follow a script.
#include "router/experts/dispatcher.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "prometheus/registry.h"

namespace coterie {
namespace {

constexpr int64_t kLayers = 2, kExperts = 4, kCols = 32, kRows = 2, kTopK = 2;

// Answers with rows that hold the expert's number, unless the script says otherwise.
class ScriptedChannel : public ExpertChannel {
 public:
  enum class Act { kAnswer, kHold, kShort, kFail };
  struct Step {
    Act act = Act::kAnswer;
    absl::Status status;
  };

  ScriptedChannel(const char* shard, int worker, DispatchInbox* inbox)
      : worker_(worker), inbox_(inbox), name_(std::to_string(worker)) {
    state_ = {.connected = true, .resident = *Shard::Parse(shard, kLayers, kExperts), .epoch = 1};
  }

  // The last step goes on for ever.
  void Follow(std::deque<Step> script) { script_ = std::move(script); }
  void SetConnected(bool connected) {
    state_.connected = connected;
    state_.status = connected ? absl::OkStatus() : absl::UnavailableError("down");
    inbox_->NoteChange();
  }
  // What is held back ends now.
  void Release(const absl::Status& status) {
    for (auto& [id, end] : std::exchange(held_, {})) {
      end.status = status;
      inbox_->Put(std::move(end));
    }
  }
  int num_resets() const { return num_resets_; }
  int num_dispatches() const { return static_cast<int>(last_id_); }

  const std::string& name() const override { return name_; }
  State state() const override { return state_; }
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration) override {
    if (!state_.connected) return state_.status;
    const Step step = script_.empty() ? Step{} : script_.front();
    if (script_.size() > 1) script_.pop_front();
    DispatchEnd end{.worker = worker_, .id = ++last_id_, .status = step.status};
    auto rows = std::make_shared<std::vector<float>>();
    for (const int32_t expert : batch.pair_expert)
      rows->insert(rows->end(), static_cast<size_t>(kCols), static_cast<float>(expert));
    end.combine = {.format = RowFormat::kF32,
                   .num_cols = kCols,
                   .num_pairs = static_cast<int64_t>(batch.pair_expert.size()) -
                                (step.act == Act::kShort ? 1 : 0),
                   .data = reinterpret_cast<const std::byte*>(rows->data())};
    end.memory = std::move(rows);
    if (step.act == Act::kHold)
      held_.emplace(last_id_, std::move(end));
    else
      inbox_->Put(std::move(end));
    return last_id_;
  }
  void Reset(const absl::Status& reason) override {
    ++num_resets_;
    Release(reason);
  }

 private:
  const int worker_;
  DispatchInbox* const inbox_;
  const std::string name_;
  State state_;
  std::deque<Step> script_;
  uint64_t last_id_ = 0;
  int num_resets_ = 0;
  std::map<uint64_t, DispatchEnd> held_;
};

using Act = ScriptedChannel::Act;

class DispatcherTest : public testing::Test {
 protected:
  // shards: what each worker holds.
  void Start(const std::vector<const char*>& shards, absl::Duration timeout) {
    std::vector<WorkerSet::ChannelMaker> makers;
    for (const char* shard : shards) {
      makers.push_back([this, shard](int worker, DispatchInbox* inbox) {
        auto channel = std::make_unique<ScriptedChannel>(shard, worker, inbox);
        channels_.push_back(channel.get());
        return channel;
      });
    }
    workers_ = WorkerSet::Over(
        kLayers, kExperts, makers,
        {.silence_min = WorkerPace::Seconds(2e-3), .round_trip = WorkerPace::Seconds(1e-4)});
    metrics_ = std::make_unique<RouterMetrics>(registry_, kLayers, kExperts);
    dispatcher_ =
        std::make_unique<Dispatcher>(workers_.get(), timeout, metrics_.get(), &load_, &pool_);
    rows_.Encode(RowFormat::kF32, Tensor(values_.data(), {kRows, kCols}));
  }

  // One layer. The outputs are right if OK.
  absl::Status Layer() {
    absl::Status sent = dispatcher_->Send(1, rows_, {experts_, weights_});
    if (!sent.ok()) return sent;
    const absl::StatusOr<Tensor> outputs = dispatcher_->Collect();
    if (!outputs.ok()) return outputs.status();
    for (size_t slot = 0; slot < experts_.size(); ++slot) {
      EXPECT_EQ(outputs->row(static_cast<int64_t>(slot))[kCols - 1],
                static_cast<float>(experts_[slot]));
    }
    return absl::OkStatus();
  }

  // Of the metric `family` for a worker: a counter's value, how often a histogram was observed.
  double Counted(const std::string& family, const std::string& worker) {
    for (const prometheus::MetricFamily& found : registry_.Collect()) {
      if (found.name != family) continue;
      for (const prometheus::ClientMetric& metric : found.metric) {
        if (worker.empty() || metric.label.front().value == worker)
          return metric.counter.value + static_cast<double>(metric.histogram.sample_count);
      }
    }
    return -1;
  }

  std::vector<float> values_ = std::vector<float>(kRows * kCols, 1.0f);
  std::vector<int32_t> experts_ = {0, 1, 2, 3};
  std::vector<float> weights_ = std::vector<float>(kRows * kTopK, 0.5f);
  EncodedRows rows_;
  Parallel pool_{1};
  ExpertLoad load_{kLayers, kExperts};
  prometheus::Registry registry_;
  std::vector<ScriptedChannel*> channels_;
  std::unique_ptr<WorkerSet> workers_;
  std::unique_ptr<RouterMetrics> metrics_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

// The timeout is long: whoever waits for it does not end in time.
constexpr absl::Duration kNever = absl::Minutes(10);

TEST_F(DispatcherTest, RowsOfALostLinkGoToTheOtherCopy) {
  Start({"0-3", "0-3"}, kNever);
  channels_[0]->Follow({{Act::kFail, absl::UnavailableError("lost")}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Layer().ok());
}

TEST_F(DispatcherTest, ACopyThatIsBusyIsAskedRatherThanOneThatIsSilent) {
  Start({"0-3", "0-3"}, kNever);
  channels_[0]->Follow({{Act::kHold, {}}});
  const ScriptedChannel::Step busy{Act::kFail, absl::ResourceExhaustedError("busy")};
  channels_[1]->Follow({busy, busy, {}, busy, {}, {}, busy, busy, busy, {}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Layer().ok());
  EXPECT_EQ(channels_[0]->num_resets(), 0);
}

TEST_F(DispatcherTest, AThirdCopyIsAskedWhenTwoAreSilent) {
  Start({"0-3", "0-3", "0-3"}, kNever);
  channels_[0]->Follow({{Act::kHold, {}}});
  channels_[1]->Follow({{Act::kHold, {}}});
  EXPECT_TRUE(Layer().ok());
}

TEST_F(DispatcherTest, AnAnswerThatDoesNotFitIsAskedOfAnotherCopy) {
  Start({"0-3", "0-3"}, kNever);
  for (const ScriptedChannel::Step& step : std::initializer_list<ScriptedChannel::Step>{
           {Act::kShort, {}},
           {Act::kFail, absl::InternalError("what?")},
           {Act::kFail, absl::DataLossError("checksum")}}) {
    channels_[0]->Follow({step});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(Layer().ok());
  }
}

TEST_F(DispatcherTest, WhereEveryCopyIsWrongTheReasonIsGiven) {
  Start({"0-3", "0-3"}, kNever);
  for (ScriptedChannel* channel : channels_)
    channel->Follow({{Act::kFail, absl::DataLossError("checksum")}});
  EXPECT_EQ(Layer(), absl::DataLossError("checksum"));
  for (ScriptedChannel* channel : channels_) channel->Follow({{}});
  EXPECT_TRUE(Layer().ok());
}

TEST_F(DispatcherTest, AnExpertWithoutAHolderIsAnOutage) {
  Start({"0-1", "2-3"}, kNever);
  channels_[1]->SetConnected(false);
  EXPECT_EQ(MissingExpert(Layer()), (ExpertId{1, 2}));
  channels_[1]->SetConnected(true);
  EXPECT_TRUE(Layer().ok());
}

TEST_F(DispatcherTest, AHungWorkerWithoutACopyIsResetAfterTheTimeout) {
  Start({"0-1", "2-3"}, absl::Milliseconds(30));
  channels_[1]->Follow({{Act::kHold, {}}});
  EXPECT_EQ(MissingExpert(Layer()), (ExpertId{1, 2}));
  EXPECT_EQ(channels_[1]->num_resets(), 1);
  EXPECT_EQ(channels_[0]->num_resets(), 0);
}

// Its answer came, and nobody looked until the timeout was over.
TEST_F(DispatcherTest, AHealthyLinkIsNotResetBecauseNobodyLooked) {
  Start({"0-1", "2-3"}, absl::Milliseconds(30));
  channels_[0]->Follow({{Act::kHold, {}}, {}});
  channels_[1]->Follow({{Act::kFail, absl::UnavailableError("lost")}, {}});
  EXPECT_TRUE(MissingExpert(Layer()).has_value());
  channels_[0]->Release(absl::OkStatus());
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_TRUE(Layer().ok());
  EXPECT_EQ(channels_[0]->num_resets(), 0);
}

TEST_F(DispatcherTest, ALateRefusalShowsThatAWorkerIsAlive) {
  Start({"0-3", "0-3"}, kNever);
  channels_[0]->Follow({{Act::kHold, {}}, {}});
  EXPECT_TRUE(Layer().ok());
  EXPECT_TRUE(workers_->pace(0).is_silent());
  channels_[0]->Release(absl::ResourceExhaustedError("busy"));
  EXPECT_TRUE(Layer().ok());
  EXPECT_FALSE(workers_->pace(0).is_silent());
}

TEST_F(DispatcherTest, AnOverdueDispatchThatIsAskedElsewhereIsAHedge) {
  Start({"0-3", "0-3"}, kNever);
  channels_[0]->Follow({{Act::kHold, {}}, {}});
  EXPECT_TRUE(Layer().ok());
  EXPECT_EQ(Counted("router_dispatch_overdue_total", "0"), 1);
  EXPECT_EQ(Counted("router_dispatch_hedges_total", "0"), 1);
  EXPECT_EQ(Counted("router_dispatch_hedges_total", "1"), 0);
  EXPECT_EQ(Counted("router_late_answers_total", "0"), 0);
  channels_[0]->Release(absl::OkStatus());
  EXPECT_TRUE(Layer().ok());
  EXPECT_EQ(Counted("router_late_answers_total", "0"), 1);
}

TEST_F(DispatcherTest, AnOverdueDispatchThatNobodyElseCanTakeIsNoHedge) {
  Start({"0-1", "2-3"}, absl::Milliseconds(30));
  channels_[1]->Follow({{Act::kHold, {}}});
  EXPECT_FALSE(Layer().ok());
  EXPECT_EQ(Counted("router_dispatch_overdue_total", "1"), 1);
  EXPECT_EQ(Counted("router_dispatch_hedges_total", "1"), 0);
}

TEST_F(DispatcherTest, WhatALayerCostsIsMeasured) {
  Start({"0-1", "2-3"}, kNever);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Layer().ok());
  for (const char* family :
       {"router_exchange_seconds", "router_dense_branch_seconds", "router_dispatch_wait_seconds"})
    EXPECT_EQ(Counted(family, ""), 3) << family;
  for (const char* worker : {"0", "1"}) {
    EXPECT_EQ(Counted("router_worker_link_seconds", worker), 3);
    EXPECT_EQ(Counted("router_worker_answer_seconds", worker), 3);
  }
}

// Given up with a step that failed, and never answered.
TEST_F(DispatcherTest, AHungWorkerIsNoticedThoughNobodyWaitsForIt) {
  Start({"0-3", "0-3"}, absl::Milliseconds(30));
  channels_[0]->Follow({{Act::kHold, {}}, {}});
  EXPECT_TRUE(Layer().ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_TRUE(Layer().ok());
  EXPECT_EQ(channels_[0]->num_resets(), 1);
}

}  // namespace
}  // namespace coterie
