// Every order in which two writers of one key, a reader, a writer of another key that needs the
// room, and an operator who removes can take their steps on a real MemoryTier: 75,600 schedules,
// for each way in which the writers may end. After every step the tier is compared with a model
// that knows what may be visible, and the bytes with who holds them.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kv_store/memory_tier.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

constexpr size_t kSmall = 40, kLarge = 60, kCapacity = 100;

// How a writer ends what it reserved.
enum class End { kCommits, kDamaged, kDrops };

struct Variant {
  End first, second;
};

// Actors: 0 and 1 write key 1 (40 and 60 bytes): reserve, end. 2 reads key 1: acquire, look, look
// and let go. 3 wants all the room for key 2: reserve, drop. 4 removes key 1.
constexpr std::array<int, 5> kSteps = {2, 2, 3, 2, 1};

class World {
 public:
  explicit World(Variant variant) : variant_(variant) {}

  void Step(int actor, int step) {
    ++now_;
    switch (actor) {
      case 0:
        step == 0 ? Reserve(0, kSmall) : Finish(0, variant_.first);
        break;
      case 1:
        step == 0 ? Reserve(1, kLarge) : Finish(1, variant_.second);
        break;
      case 2:
        step == 0 ? Acquire() : Look(step == 2);
        break;
      case 3:
        step == 0 ? TakeAll() : all_.reset();
        break;
      default:
        EXPECT_EQ(tier_.Remove(TestKey(1)), visible_ != nullptr);
        visible_ = nullptr;
    }
    Check();
  }

 private:
  absl::Time Now() const { return absl::UnixEpoch() + absl::Seconds(now_); }

  // What the tier must hold: reservations, what is visible, what the reader alone still holds.
  size_t Expected() const {
    size_t bytes = all_ ? kCapacity : 0;
    for (const auto& writer : writers_) bytes += writer ? writer->size() : 0;
    if (visible_ != nullptr) bytes += visible_->size();
    if (read_ != nullptr && read_payload_ != visible_) bytes += read_payload_->size();
    return bytes;
  }

  void Check() {
    ASSERT_EQ(tier_.used_bytes(), Expected());
    ASSERT_LE(tier_.used_bytes(), kCapacity);
    ASSERT_EQ(tier_.Holds(TestKey(1)), visible_ != nullptr);
    ASSERT_EQ(tier_.num_objects(), visible_ == nullptr ? 0u : 1u);
    ASSERT_TRUE(read_ == nullptr || read_->payload() == *read_payload_);
  }

  bool FitsWithEviction(size_t size) {
    size_t bytes = Expected();
    const bool may_go = visible_ != nullptr && !(read_ != nullptr && read_payload_ == visible_);
    if (bytes + size > kCapacity && may_go) {
      bytes -= visible_->size();
      visible_ = nullptr;  // it goes, whether or not that is enough
    }
    return bytes + size <= kCapacity;
  }

  void Reserve(size_t writer, size_t size) {
    const bool is_there = visible_ != nullptr;
    auto reservation = tier_.Reserve(TestName(1), size, Now());
    if (is_there) {
      EXPECT_TRUE(absl::IsAlreadyExists(reservation.status()));
    } else {
      EXPECT_EQ(reservation.ok(), FitsWithEviction(size));
    }
    if (reservation.ok()) writers_[writer].emplace(*std::move(reservation));
  }

  void Finish(size_t writer, End end) {
    if (!writers_[writer]) return;
    Reservation reservation = *std::move(writers_[writer]);
    writers_[writer].reset();
    if (end == End::kDrops) return;
    auto payload = TestPayload(static_cast<int>(writer), reservation.size());
    const uint64_t checksum = ObjectChecksum(TestKey(1), *payload) + (end == End::kDamaged ? 1 : 0);
    const absl::Status status =
        tier_.Commit(std::move(reservation), MeasurePayload(TestKey(1), payload), checksum, Now())
            .status();
    if (end == End::kDamaged) {
      EXPECT_TRUE(absl::IsDataLoss(status));
    } else if (visible_ != nullptr) {
      EXPECT_TRUE(absl::IsAlreadyExists(status));
    } else {
      EXPECT_TRUE(status.ok());
      visible_ = payload;
    }
  }

  void Acquire() {
    read_ = tier_.Acquire(TestKey(1), Now());
    EXPECT_EQ(read_ != nullptr, visible_ != nullptr);
    read_payload_ = visible_;
  }

  void Look(bool lets_go) {
    EXPECT_TRUE(read_ == nullptr || read_->payload() == *read_payload_);
    if (lets_go) read_ = nullptr;
  }

  void TakeAll() {
    auto reservation = tier_.Reserve(TestName(2), kCapacity, Now());
    EXPECT_EQ(reservation.ok(), FitsWithEviction(kCapacity));
    if (reservation.ok()) all_.emplace(*std::move(reservation));
  }

  const Variant variant_;
  MemoryTier tier_{{.capacity_bytes = kCapacity}};
  int now_ = 0;
  std::array<std::optional<Reservation>, 2> writers_;
  std::optional<Reservation> all_;
  ObjectRef read_;
  // The model.
  std::shared_ptr<const std::string> visible_, read_payload_;
};

// Every interleaving, each from the beginning on a new tier.
int Explore(Variant variant, std::array<int, 5> done, std::vector<std::pair<int, int>>* schedule) {
  bool is_end = true;
  int count = 0;
  for (size_t actor = 0; actor < kSteps.size(); ++actor) {
    if (done[actor] == kSteps[actor]) continue;
    is_end = false;
    schedule->emplace_back(static_cast<int>(actor), done[actor]);
    ++done[actor];
    count += Explore(variant, done, schedule);
    --done[actor];
    schedule->pop_back();
    if (testing::Test::HasFailure()) return count;
  }
  if (!is_end) return count;
  World world(variant);
  for (const auto& [actor, step] : *schedule) world.Step(actor, step);
  if (testing::Test::HasFailure()) {
    std::string text;
    for (const auto& [actor, step] : *schedule) text += absl::StrCat(" ", actor, ".", step);
    ADD_FAILURE() << "schedule:" << text;
  }
  return 1;
}

class ReclaimExplorerTest : public testing::TestWithParam<Variant> {};

TEST_P(ReclaimExplorerTest, EveryOrderKeepsWhatIsReadAndCountsWhatIsHeld) {
  std::vector<std::pair<int, int>> schedule;
  EXPECT_EQ(Explore(GetParam(), {}, &schedule), 75600);
}

INSTANTIATE_TEST_SUITE_P(HowTheWritersEnd, ReclaimExplorerTest,
                         testing::Values(Variant{End::kCommits, End::kCommits},
                                         Variant{End::kDrops, End::kCommits},
                                         Variant{End::kCommits, End::kDamaged}));

}  // namespace
}  // namespace coterie
