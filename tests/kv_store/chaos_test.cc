// Three nodes, two copies, writers and readers, and everything that goes wrong at once: nodes are
// killed and started again, readers end in the middle of a read or take their time, bits flip on
// disks, in memory and on the wire, disks are full for a while, files are torn, connections break
// and stall, and the system's clock jumps by hours. Every byte that a reader sees is compared with
// what was written: none may be wrong, ever, what was damaged is noticed, and no read hangs.
//
// KV_CHAOS_READS (10,000) objects are read, or as many as KV_CHAOS_SECONDS (120) allow.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/grpc_block_store.h"
#include "ops/process/clock.h"
#include "tests/kv_store/bad_wire.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"
#include "tests/testing/jumping_clock.h"

namespace coterie {
namespace {

constexpr int kObjects = 400;
constexpr size_t kNodes = 3;
constexpr absl::Duration kReadTimeout = absl::Seconds(2);
constexpr absl::Duration kHang = absl::Seconds(60);

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

size_t SizeOf(int n) { return static_cast<size_t>(100 + n * 37 % 9000); }

class Chaos {
 public:
  Chaos() {
    for (int n = 0; n < kObjects; ++n) payloads_.push_back(TestPayload(n, SizeOf(n)));
    const StoreNode::Options options = {
        .memory = {.capacity_bytes = 400 << 10},
        .disk = {.capacity_bytes = 2 << 20, .segment_bytes = 128 << 10}};
    for (size_t i = 0; i < kNodes; ++i) {
      // To and from the first payloads go through shared memory.
      nodes_.push_back(std::make_unique<TestNode>(options, true, 64, i == 0));
      wires_.push_back(std::make_unique<BadWire>(
          nodes_.back()->address(),
          BadWire::Options{.bytes_between_flips = 300 << 10, .seed = static_cast<uint32_t>(i)}));
      members_.push_back(wires_.back()->address());
    }
    store_ = NewStore();
  }

  void Write(uint32_t seed) {
    std::minstd_rand random(seed);
    while (!stop_) {
      std::vector<StoredObject> objects;
      for (int i = 0; i < 8; ++i) {
        const int n = static_cast<int>(random() % kObjects);
        objects.push_back({TestKey(n), payloads_[static_cast<size_t>(n)]});
      }
      store_->Put(std::move(objects), {.tenant = "t"});
      store_->Flush(MonotonicNow() + absl::Seconds(3));
    }
  }

  // A router after the other: each reads for a while, and ends while it reads.
  void Read(uint32_t seed, bool is_slow) {
    std::minstd_rand random(seed);
    while (num_read_ < num_wanted_ && MonotonicNow() < end_) {
      std::unique_ptr<GrpcBlockStore> router = NewStore();
      for (int i = 0; i < 100 && MonotonicNow() < end_; ++i) {
        std::promise<void> ended;
        const absl::Time start = MonotonicNow();
        ReadSome(router.get(), &random, is_slow, [&] { ended.set_value(); });
        ended.get_future().wait();
        if (MonotonicNow() - start > kHang) ++num_hung_;
      }
      ReadSome(router.get(), &random, is_slow, [] {});
      num_damaged_on_arrival_ += router->counts().damaged;
    }
    stop_ = true;
  }

  void ReadSome(GrpcBlockStore* router, std::minstd_rand* random, bool is_slow,
                std::function<void()> done) {
    std::vector<int> numbers;
    std::vector<ObjectKey> keys;
    for (int i = 0; i < 16; ++i) {
      numbers.push_back(static_cast<int>((*random)() % kObjects));
      keys.push_back(TestKey(numbers.back()));
    }
    router->Get(
        keys, MonotonicNow() + kReadTimeout,
        [this, numbers, is_slow](size_t index, const StoredObject& object) {
          if (object.bytes == nullptr) return;
          ++num_read_;
          if (*object.bytes != *payloads_[static_cast<size_t>(numbers[index])]) ++num_wrong_;
          if (is_slow && index == 7) absl::SleepFor(absl::Milliseconds(3));  // as slow as it is
        },
        [done = std::move(done)](const absl::Status&) { done(); });
  }

  void JumpClock(uint32_t seed) {
    std::minstd_rand random(seed);
    while (!stop_ && JumpingClock::IsThere()) {
      JumpingClock::SetOffset(absl::Seconds(static_cast<int>(random() % 36000) - 18000));
      ++num_jumps_;
    }
    JumpingClock::SetOffset(absl::ZeroDuration());
  }

  void Break(uint32_t seed) {
    std::minstd_rand random(seed);
    while (!stop_) {
      TestNode& node = *nodes_[random() % kNodes];
      switch (random() % 5) {
        case 0:
        case 1:
          CountDamage(node);
          node.Stop();
          if (random() % 2 == 0) TearAFile(node, &random);
          node.Start();
          break;
        case 2:
          FlipOnDisk(node, &random);
          break;
        case 3:
          FlipInMemory(node, &random);
          break;
        case 4: {
          std::lock_guard<std::mutex> lock(node.disk().mu);
          node.disk().capacity =
              node.disk().capacity == UINT64_MAX ? node.disk().used() + 3000 : UINT64_MAX;
          break;
        }
      }
      absl::SleepFor(absl::Milliseconds(100));  // the pace of the faults; nothing waits for it
    }
    for (const auto& node : nodes_) {
      node->node().Verify(MonotonicNow() + kHang);
      CountDamage(*node);
    }
  }

  void Run() {
    std::vector<std::thread> threads;
    threads.emplace_back([this] { Write(1); });
    threads.emplace_back([this] { Write(2); });
    threads.emplace_back([this] { Break(3); });
    threads.emplace_back([this] { JumpClock(4); });
    for (uint32_t i = 0; i < 3; ++i) threads.emplace_back([this, i] { Read(10 + i, i == 0); });
    for (std::thread& thread : threads) thread.join();
  }

  int64_t num_read() const { return num_read_; }
  int64_t num_wrong() const { return num_wrong_; }
  uint64_t num_shared_bytes() const { return num_shared_bytes_; }
  int64_t num_hung() const { return num_hung_; }
  int64_t num_jumps() const { return num_jumps_; }
  int64_t num_flipped() const { return num_flipped_; }
  int64_t num_flipped_on_wires() const {
    int64_t sum = 0;
    for (const auto& wire : wires_) sum += wire->num_flipped();
    return sum;
  }
  uint64_t num_damaged_on_arrival() const { return num_damaged_on_arrival_; }
  uint64_t num_noticed() const { return num_noticed_ + num_damaged_on_arrival_; }

 private:
  std::unique_ptr<GrpcBlockStore> NewStore() const {
    return *GrpcBlockStore::Create(
        {.members = members_, .copies = 2, .put_timeout = absl::Seconds(2)});
  }

  static std::shared_ptr<std::string> AnyFile(TestNode& node, std::minstd_rand* random) {
    if (node.disk().files.empty()) return nullptr;
    auto it = node.disk().files.begin();
    std::advance(it, static_cast<int>((*random)() % node.disk().files.size()));
    return it->second;
  }

  void TearAFile(TestNode& node, std::minstd_rand* random) {
    std::lock_guard<std::mutex> lock(node.disk().mu);
    const auto file = AnyFile(node, random);
    if (file != nullptr && !file->empty()) file->resize(file->size() - (*random)() % file->size());
  }

  void FlipOnDisk(TestNode& node, std::minstd_rand* random) {
    std::lock_guard<std::mutex> lock(node.disk().mu);
    const auto file = AnyFile(node, random);
    if (file == nullptr || file->empty()) return;
    for (int i = 0; i < 20; ++i) {
      (*file)[(*random)() % file->size()] ^= static_cast<char>(1 << ((*random)() % 8));
      ++num_flipped_;
    }
  }

  // As a bad memory module does, under whatever is being sent.
  void FlipInMemory(TestNode& node, std::minstd_rand* random) {
    const ObjectRef object =
        node.node().Read(TestKey(static_cast<int>((*random)() % kObjects)), MonotonicNow());
    if (object == nullptr) return;
    const size_t at = (*random)() % object->payload().size();
    auto* byte =
        reinterpret_cast<std::atomic<char>*>(const_cast<char*>(object->payload().data()) + at);
    byte->fetch_xor(16);
    ++num_flipped_;
  }

  // What a node has noticed in this life of it, and sent and taken in.
  void CountDamage(TestNode& node) {
    num_shared_bytes_ += node.objects().counts().shared_bytes;
    const DiskTier::Counts disk = node.node().disk()->counts();
    num_noticed_ += node.node().counts().memory_damaged + node.node().counts().refused_damaged +
                    disk.corrupt + disk.recovered_gaps + disk.refused_segments;
  }

  const int64_t num_wanted_ = FromEnvironment("KV_CHAOS_READS", 10000);
  const absl::Time end_ = MonotonicNow() + absl::Seconds(FromEnvironment("KV_CHAOS_SECONDS", 120));
  std::vector<std::shared_ptr<const std::string>> payloads_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
  std::vector<std::unique_ptr<BadWire>> wires_;
  std::vector<std::string> members_;
  std::unique_ptr<GrpcBlockStore> store_;  // of the writers
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> num_read_{0}, num_wrong_{0}, num_hung_{0}, num_jumps_{0}, num_flipped_{0};
  std::atomic<uint64_t> num_shared_bytes_{0}, num_noticed_{0}, num_damaged_on_arrival_{0};
};

TEST(ChaosTest, NoReaderEverSeesAWrongByte) {
  Chaos chaos;
  chaos.Run();
  EXPECT_EQ(chaos.num_wrong(), 0);
  EXPECT_EQ(chaos.num_hung(), 0);
  EXPECT_GT(chaos.num_shared_bytes(), 0u);
  EXPECT_TRUE(chaos.num_jumps() > 0 || !JumpingClock::IsThere());
  EXPECT_GT(chaos.num_read(), 1000);
  EXPECT_TRUE(chaos.num_flipped() < 200 || chaos.num_noticed() > 0);
  RecordProperty("read", static_cast<int>(chaos.num_read()));
  RecordProperty("flipped", static_cast<int>(chaos.num_flipped()));
  RecordProperty("noticed", static_cast<int>(chaos.num_noticed()));
  EXPECT_GT(chaos.num_flipped_on_wires(), 0);
  std::printf(
      "%lld objects read, %lld wrong; %lld jumps of the clock; %lld bits flipped on disk and in "
      "memory, %lld on wires; %llu times damage was noticed, of which %llu on arrival; %llu bytes "
      "through "
      "shared memory\n",
      static_cast<long long>(chaos.num_read()), static_cast<long long>(chaos.num_wrong()),
      static_cast<long long>(chaos.num_jumps()), static_cast<long long>(chaos.num_flipped()),
      static_cast<long long>(chaos.num_flipped_on_wires()),
      static_cast<unsigned long long>(chaos.num_noticed()),
      static_cast<unsigned long long>(chaos.num_damaged_on_arrival()),
      static_cast<unsigned long long>(chaos.num_shared_bytes()));
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::JumpingClock::RunUnderIt(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
