#include "router/journal/request_journals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "kv_store/client/memory_block_store.h"
#include "prometheus/registry.h"
#include "router/journal/journal_metrics.h"
#include "router/journal/journal_name.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;

// A store with a handle on what passes.
class WatchedStore final : public BlockStore {
 public:
  void Find(std::vector<ObjectKey>, absl::Time, FindDone done) override { done(Gone()); }
  void Get(std::vector<ObjectKey>, absl::Time, GetEach, GetDone done) override { done(Gone()); }
  bool Put(std::vector<StoredObject>, PutOptions) override { return false; }
  void Hint(ObjectKey, StoreHint) override {}
  void PutJournal(std::string name, uint64_t version, std::string bytes, absl::Duration keep,
                  JournalKept kept) override {
    ++num_puts;
    num_bytes += static_cast<int64_t>(bytes.size());
    if (!lost && !refused)
      return store_.PutJournal(std::move(name), version, std::move(bytes), keep, std::move(kept));
    if (kept) kept(!refused);
  }
  void GetJournal(std::string name, absl::Time deadline, JournalDone done) override {
    if (gone) return done(Gone());
    store_.GetJournal(std::move(name), deadline, std::move(done));
  }

  std::atomic<int64_t> num_puts{0}, num_bytes{0};
  std::atomic<bool> lost{false};     // what is put, after it was taken
  std::atomic<bool> refused{false};  // what is put
  std::atomic<bool> gone{false};

 private:
  static absl::Status Gone() { return absl::UnavailableError("the store is gone"); }
  MemoryBlockStore store_{size_t{64} << 20};
};

class RequestJournalsTest : public testing::Test {
 protected:
  std::unique_ptr<RequestJournals> Journals(std::vector<std::string> root_fields = {"model"},
                                            absl::Duration keep = absl::Minutes(10)) {
    return std::make_unique<RequestJournals>(
        &store_,
        RequestJournals::Options{
            .root_fields = std::move(root_fields), .keep = keep, .interval = absl::Milliseconds(1)},
        &metrics_);
  }
  static v1::RequestJournal Request(const std::string& id, const std::string& text = "prompt") {
    v1::RequestJournal journal;
    journal.mutable_generate()->set_request_id(id);
    journal.mutable_generate()->set_text(text);
    journal.set_seed(5);
    return journal;
  }
  static absl::StatusOr<FoundJournal> Find(const RequestJournals& journals,
                                           const std::string& tenant, const std::string& id) {
    absl::StatusOr<FoundJournal> found = absl::UnknownError("not answered");
    std::promise<void> answered;
    journals.Find(tenant, id, absl::Now() + absl::Seconds(10),
                  [&](absl::StatusOr<FoundJournal> result) {
                    found = std::move(result);
                    answered.set_value();
                  });
    answered.get_future().wait();
    return found;
  }
  static void Fill(TokenLog& log, int num_tokens) {
    log.Accepted(100);
    for (int i = 0; i < num_tokens; ++i) log.Append(0, i);
  }

  // A request whose journals do not get to the store until mend() is found afterwards.
  void ExpectFoundAfter(RequestJournals& journals, const std::function<void()>& mend) {
    const auto log = journals.Open("t", Request("a"), 1);
    Fill(*log, 3);
    while (store_.num_puts < 2) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_TRUE(absl::IsNotFound(Find(journals, "t", "a").status()));
    mend();
    absl::StatusOr<FoundJournal> found = absl::NotFoundError("");
    for (int i = 0; i < 2000 && !found.ok(); ++i) {
      log->Append(0, 4);
      absl::SleepFor(absl::Milliseconds(5));
      found = Find(journals, "t", "a");
    }
    EXPECT_TRUE(found.ok()) << found.status();
  }

  prometheus::Registry registry_;
  JournalMetrics metrics_{registry_};
  WatchedStore store_;
};

TEST_F(RequestJournalsTest, WhatWasNotedDownIsFoundByOthers) {
  {
    const auto journals = Journals();
    const auto log = journals->Open("tenant", Request("a"), 2);
    log->Accepted(77);
    log->Append(0, 10);
    log->Append(1, 20);
    log->Append(0, 11);
  }  // and all is written
  const auto found = Find(*Journals(), "tenant", "a");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->request.generate().text(), "prompt");
  EXPECT_EQ(found->request.seed(), 5U);
  EXPECT_EQ(found->request.max_tokens(), 77);
  EXPECT_THAT(found->tokens, ElementsAre(ElementsAre(10, 11), ElementsAre(20)));
  EXPECT_EQ(metrics_.begun.Value(), 1);
  EXPECT_EQ(metrics_.written_bytes.Value(), static_cast<double>(store_.num_bytes));
}

TEST_F(RequestJournalsTest, NobodyFindsWhatIsNotTheirs) {
  { Fill(*Journals()->Open("tenant", Request("a"), 1), 3); }
  const auto journals = Journals();
  { Fill(*journals->Open("tenant", Request("a"), 1), 3); }
  EXPECT_TRUE(absl::IsNotFound(Find(*journals, "other", "a").status()));
  EXPECT_TRUE(absl::IsNotFound(Find(*journals, "tenant", "b").status()));
  // Names do not run into each other.
  EXPECT_NE(NamesOfJournals("ab", "c").request, NamesOfJournals("a", "bc").request);
}

TEST_F(RequestJournalsTest, RoutersOfAnotherKindDoNotGoOn) {
  {
    const auto journals = Journals();
    Fill(*journals->Open("t", Request("a"), 1), 3);
  }
  for (const std::vector<std::string>& fields :
       {std::vector<std::string>{"other"}, {"model", "more"}, {}})
    EXPECT_TRUE(absl::IsFailedPrecondition(Find(*Journals(fields), "t", "a").status()));
}

TEST_F(RequestJournalsTest, TokensOfAnEarlierRequestOfThatNameAreNone) {
  {
    const auto journals = Journals();
    Fill(*journals->Open("t", Request("a"), 1), 3);
  }
  {
    const auto journals = Journals();
    const auto log = journals->Open("t", Request("a", "another"), 1);
    log->Accepted(100);
  }
  const auto found = Find(*Journals(), "t", "a");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->request.generate().text(), "another");
  EXPECT_THAT(found->tokens, ElementsAre(ElementsAre()));
  // Also when they come late.
  v1::TokenJournal earlier;
  earlier.set_run(found->request.run() + 1);
  earlier.add_choices()->add_ids(1);
  store_.PutJournal(NamesOfJournals("t", "a").tokens, found->version + 1,
                    earlier.SerializeAsString(), absl::Minutes(1), nullptr);
  EXPECT_THAT(Find(*Journals(), "t", "a")->tokens, ElementsAre());
}

TEST_F(RequestJournalsTest, WhoGoesOnSupersedesAClockThatIsAhead) {
  const JournalNames names = NamesOfJournals("t", "a");
  {
    const auto journals = Journals();
    Fill(*journals->Open("t", Request("a"), 1), 3);
  }
  auto found = Find(*Journals(), "t", "a");
  ASSERT_TRUE(found.ok());
  found->version = static_cast<uint64_t>(absl::ToUnixNanos(absl::Now() + absl::Hours(1)));
  v1::TokenJournal ahead;
  ahead.set_run(found->request.run());
  ahead.add_choices()->add_ids(1);
  store_.PutJournal(names.tokens, found->version, ahead.SerializeAsString(), absl::Minutes(1),
                    nullptr);
  {
    const auto journals = Journals();
    const auto log = journals->Reopen("t", *found, {{1}});
    log->Accepted(100);
    log->Append(0, 2);
  }
  EXPECT_THAT(Find(*Journals(), "t", "a")->tokens, ElementsAre(ElementsAre(1, 2)));
}

TEST_F(RequestJournalsTest, AJournalThatIsNoneIsNoRequest) {
  const JournalNames names = NamesOfJournals("t", "a");
  for (const std::string& bytes :
       {std::string(), std::string("nonsense"), std::string(100, '\xff')}) {
    store_.PutJournal(names.request, std::numeric_limits<uint64_t>::max(), bytes, absl::Minutes(1),
                      nullptr);
    EXPECT_TRUE(absl::IsDataLoss(Find(*Journals(), "t", "a").status()));
  }
}

TEST_F(RequestJournalsTest, ARequestThatIsTooLargeIsNotNotedDown) {
  {
    const auto journals = Journals();
    Fill(*journals->Open("t", Request("a", std::string(kJournalBytesMax, 'x')), 1), 50);
  }
  EXPECT_EQ(store_.num_puts, 0);
  EXPECT_EQ(metrics_.too_large.Value(), 1);
  EXPECT_TRUE(absl::IsNotFound(Find(*Journals(), "t", "a").status()));
}

// A long answer is not written again for every token.
TEST_F(RequestJournalsTest, WhatIsWrittenStaysInProportion) {
  constexpr int kTokens = 20000;
  {
    const auto journals = Journals();
    const auto log = journals->Open("t", Request("a"), 1);
    log->Accepted(100);
    for (int i = 0; i < kTokens; ++i) {
      log->Append(0, 300);
      if (i % 40 == 0) absl::SleepFor(absl::Microseconds(200));
    }
  }
  EXPECT_LT(store_.num_bytes, int64_t{kTokens} * 2 * 128 * 2);
}

TEST_F(RequestJournalsTest, WhatTheStoreLostIsWrittenAgain) {
  const auto journals = Journals({"model"}, absl::Milliseconds(200));
  store_.lost = true;
  ExpectFoundAfter(*journals, [&] { store_.lost = false; });
}

// Soon, where the store has said so: long before a quarter of the ten minutes.
TEST_F(RequestJournalsTest, WhatTheStoreRefusedIsWrittenAgain) {
  const auto journals = Journals();
  store_.refused = true;
  ExpectFoundAfter(*journals, [&] { store_.refused = false; });
}

TEST_F(RequestJournalsTest, AStoreThatIsGoneSaysSo) {
  const auto journals = Journals();
  store_.gone = true;
  EXPECT_TRUE(absl::IsUnavailable(Find(*journals, "t", "a").status()));
  EXPECT_EQ(metrics_.not_found.Value(), 1);
}

}  // namespace
}  // namespace coterie
