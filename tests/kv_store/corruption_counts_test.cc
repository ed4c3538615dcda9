// Whatever is damaged is noticed, and counted once, under its name: one bit at a time, wherever it
// lies: in a node's memory, on its disk, on the wire in either direction.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/segment.h"
#include "ops/process/clock.h"
#include "proto/kv.grpc.pb.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"

namespace coterie {
namespace {

constexpr size_t kBytes = 333;
constexpr int kObject = 1;

absl::Time Soon() { return MonotonicNow() + absl::Seconds(60); }

bool Gets(BlockStore* store) {
  bool came = false;
  std::promise<void> ended;
  store->Get(
      {TestKey(kObject)}, Soon(),
      [&](size_t, const StoredObject& object) {
        came = object.bytes != nullptr;
        EXPECT_TRUE(!came || *object.bytes == *TestPayload(kObject, kBytes));
      },
      [&](const absl::Status&) { ended.set_value(); });
  ended.get_future().wait();
  return came;
}

class CorruptionCountsTest : public testing::Test {
 protected:
  void Put() {
    ASSERT_TRUE(store_->Put({{TestKey(kObject), TestPayload(kObject, kBytes)}}, {.tenant = "t"}));
    ASSERT_TRUE(store_->Flush(Soon()));
  }
  void PutOnDisk() {
    Put();
    ASSERT_TRUE(node_.node().Flush(Soon()));
  }
  void Restart() {
    node_.Stop();
    node_.Start();
    store_ = *GrpcBlockStore::Create({.members = {node_.address()}});
  }
  // Restarts the node; between its end and its start its only file is changed.
  template <typename Change>
  void RestartWith(Change change) {
    node_.Stop();
    ASSERT_EQ(node_.disk().files.size(), 1u);
    change(node_.disk().files.begin()->second.get());
    node_.Start();
    store_ = *GrpcBlockStore::Create({.members = {node_.address()}});
  }
  DiskTier::Counts OnDisk() { return node_.node().disk()->counts(); }

  TestNode node_;
  std::unique_ptr<GrpcBlockStore> store_ = *GrpcBlockStore::Create({.members = {node_.address()}});
};

TEST_F(CorruptionCountsTest, InMemoryByTheReaderAndThenByTheNodeWhichForgetsIt) {
  for (size_t at = 0; at < kBytes; at += 7) {
    PutOnDisk();
    auto* payload =
        const_cast<char*>(node_.node().Read(TestKey(kObject), MonotonicNow())->payload().data());
    payload[at] = static_cast<char>(payload[at] ^ 1);
    const uint64_t by_reader = store_->counts().damaged;
    const uint64_t by_node = node_.node().counts().memory_damaged;
    EXPECT_FALSE(Gets(store_.get())) << at;
    EXPECT_EQ(store_->counts().damaged, by_reader + 1) << at;
    while (node_.node().counts().memory_damaged == by_node) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_EQ(node_.node().counts().memory_damaged, by_node + 1) << at;
    EXPECT_EQ(node_.node().memory().num_objects(), 0u) << at;
    EXPECT_TRUE(Gets(store_.get())) << at << ": on disk it is sound";
    EXPECT_TRUE(node_.node().Remove(TestKey(kObject)));
  }
}

TEST_F(CorruptionCountsTest, OnDiskEveryByteOfARecord) {
  for (size_t at = 0; at < kRecordHeaderBytes + kBytes; at += 3) {
    SCOPED_TRACE(absl::StrCat("byte ", at, " of the record"));
    PutOnDisk();
    RestartWith([&](std::string* file) { (*file)[kSegmentHeaderBytes + at] ^= 0x10; });
    const bool in_header = at < kRecordHeaderBytes;
    EXPECT_EQ(OnDisk().recovered_gaps, in_header ? 1u : 0u);
    EXPECT_FALSE(Gets(store_.get()));
    EXPECT_EQ(OnDisk().corrupt, in_header ? 0u : 1u);
    EXPECT_EQ(OnDisk().refused_segments + OnDisk().read_errors, 0u);
    EXPECT_EQ(store_->counts().damaged, 0u) << "the reader never sees it";
    node_.Stop();
    node_.disk().files.clear();
    Restart();
  }
}

TEST_F(CorruptionCountsTest, OnDiskEveryByteOfASegmentsHeader) {
  for (size_t at = 0; at < kSegmentHeaderBytes; at += 5) {
    PutOnDisk();
    RestartWith([&](std::string* file) { (*file)[at] ^= 0x10; });
    EXPECT_FALSE(Gets(store_.get())) << at;
    EXPECT_EQ(OnDisk().refused_segments, 1u) << at;
    EXPECT_EQ(OnDisk().recovered_gaps + OnDisk().corrupt + OnDisk().read_errors, 0u) << at;
    node_.Stop();
    node_.disk().files.clear();
    Restart();
  }
}

TEST_F(CorruptionCountsTest, OnDiskATornRecord) {
  for (size_t left = 1; left < kRecordHeaderBytes + kBytes; left += 11) {
    PutOnDisk();
    RestartWith([&](std::string* file) { file->resize(kSegmentHeaderBytes + left); });
    EXPECT_FALSE(Gets(store_.get())) << left;
    EXPECT_EQ(OnDisk().recovered_gaps, 1u) << left;
    EXPECT_EQ(OnDisk().refused_segments + OnDisk().corrupt, 0u) << left;
    node_.Stop();
    node_.disk().files.clear();
    Restart();
  }
}

using FrameChange = void (*)(v1::ObjectFrame*);

struct WireCase {
  const char* name;
  FrameChange change;
};

const WireCase kWireCases[] = {
    {"payload", [](v1::ObjectFrame* frame) { (*frame->mutable_payload())[kBytes / 2] ^= 1; }},
    {"first byte", [](v1::ObjectFrame* frame) { (*frame->mutable_payload())[0] ^= 0x40; }},
    {"last byte", [](v1::ObjectFrame* frame) { frame->mutable_payload()->back() ^= 2; }},
    {"shorter", [](v1::ObjectFrame* frame) { frame->mutable_payload()->pop_back(); }},
    {"longer", [](v1::ObjectFrame* frame) { frame->mutable_payload()->push_back('\0'); }},
    {"empty", [](v1::ObjectFrame* frame) { frame->clear_payload(); }},
    {"checksum", [](v1::ObjectFrame* frame) { frame->set_checksum(frame->checksum() ^ 8); }},
    {"key", [](v1::ObjectFrame* frame) { (*frame->mutable_key())[5] ^= 1; }},
    {"another's key",
     [](v1::ObjectFrame* frame) {
       frame->clear_key();
       AppendKey(TestKey(kObject + 1), frame->mutable_key());
     }},
};

v1::ObjectFrame Frame() {
  v1::ObjectFrame frame;
  const auto payload = TestPayload(kObject, kBytes);
  AppendKey(TestKey(kObject), frame.mutable_key());
  frame.set_checksum(ObjectChecksum(TestKey(kObject), *payload));
  frame.set_tenant("t");
  frame.set_payload(*payload);
  return frame;
}

// A node that says what it is told to.
class Sayer : public v1::KvObjects::Service {
 public:
  explicit Sayer(FrameChange change) : change_(change) {}
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*,
                   grpc::ServerWriter<v1::ObjectFrame>* writer) override {
    v1::ObjectFrame frame = Frame();
    change_(&frame);
    writer->Write(frame);
    return grpc::Status::OK;
  }

 private:
  const FrameChange change_;
};

TEST_F(CorruptionCountsTest, OnTheWireToAReader) {
  for (const WireCase& a_case : kWireCases) {
    Sayer sayer(a_case.change);
    const std::string address =
        absl::StrCat("unix-abstract:coterie-sayer-", std::random_device()());
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&sayer);
    const auto server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    const auto store = *GrpcBlockStore::Create({.members = {address}});
    EXPECT_FALSE(Gets(store.get())) << a_case.name;
    EXPECT_EQ(store->counts().damaged, 1u) << a_case.name;
  }
}

TEST_F(CorruptionCountsTest, OnTheWireToANode) {
  const auto stub = v1::KvObjects::NewStub(node_.NewChannel());
  for (const WireCase& a_case : kWireCases) {
    const uint64_t before = node_.node().counts().refused_damaged;
    grpc::ClientContext context;
    context.set_deadline(ToSystemClock(Soon()));
    context.AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
    v1::ObjectFrame frame = Frame();
    a_case.change(&frame);
    v1::PutReply reply;
    const auto writer = stub->Put(&context, &reply);
    ASSERT_TRUE(writer->Write(frame));
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok()) << a_case.name;
    EXPECT_EQ(reply.refused(), 1u) << a_case.name;
    EXPECT_EQ(node_.node().counts().refused_damaged, before + 1) << a_case.name;
    EXPECT_EQ(node_.node().memory().num_objects(), 0u) << a_case.name;
  }
}

}  // namespace
}  // namespace coterie
