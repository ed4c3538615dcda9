// The node's end of kv.proto, called by generated code and by strangers: what is malformed, too
// much or another's is refused and counted, and the node goes on.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/wire.h"
#include "kv_store/metrics.h"
#include "proto/kv.grpc.pb.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"
#include "tests/ops/process/metrics_table.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KvServiceTest : public testing::Test {
 protected:
  struct Context : grpc::ClientContext {
    explicit Context(bool has_deadline = true, const std::string& version = "1") {
      if (has_deadline) set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
      if (!version.empty()) AddMetadata(kVersionMetadata, version);
    }
  };

  void Start(StoreNode::Options options = TestNode::SmallOptions(), int max_calls = 64) {
    node_ = std::make_unique<TestNode>(options, true, max_calls);
    channel_ = node_->NewChannel();
    store_ = v1::KvStore::NewStub(channel_);
    objects_ = v1::KvObjects::NewStub(channel_);
  }
  static std::string KeyBytes(int n) { return WriteKeys(std::vector{TestKey(n)}); }
  static v1::ObjectFrame Frame(int n, size_t size) {
    v1::ObjectFrame frame;
    frame.set_key(KeyBytes(n));
    frame.set_tenant("t");
    frame.set_payload(*TestPayload(n, size));
    frame.set_checksum(ObjectChecksum(TestKey(n), frame.payload()));
    return frame;
  }
  grpc::Status Put(const std::vector<v1::ObjectFrame>& frames, v1::PutReply* reply) {
    Context context;
    const auto writer = objects_->Put(&context, reply);
    for (const v1::ObjectFrame& frame : frames) {
      if (!writer->Write(frame)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }
  void PutSound(int from, int to, size_t size) {
    v1::PutReply reply;
    std::vector<v1::ObjectFrame> frames;
    for (int n = from; n < to; ++n) frames.push_back(Frame(n, size));
    ASSERT_TRUE(Put(frames, &reply).ok());
    ASSERT_EQ(reply.stored(), static_cast<uint32_t>(to - from));
  }
  // A message of these bytes to Put, whatever they are.
  grpc::Status PutBytes(const std::string& bytes) {
    Context context;
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue events;
    const auto call = stub.PrepareCall(&context, kPutMethod, &events);
    const auto wait = [&] {
      void* tag;
      bool ok;
      events.Next(&tag, &ok);
      return ok;
    };
    call->StartCall(nullptr);
    wait();
    const grpc::Slice slice(bytes);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait();
    call->WritesDone(nullptr);
    wait();
    grpc::ByteBuffer reply;
    call->Read(&reply, nullptr);
    wait();
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    return status;
  }

  std::unique_ptr<TestNode> node_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::KvStore::Stub> store_;
  std::unique_ptr<v1::KvObjects::Stub> objects_;
};

TEST_F(KvServiceTest, GeneratedClientsReadAndWriteFrames) {
  Start();
  PutSound(0, 5, 3000);
  v1::PutReply reply;
  ASSERT_TRUE(Put({Frame(4, 3000), Frame(5, 10)}, &reply).ok());
  EXPECT_EQ(reply.present(), 1u);
  EXPECT_EQ(reply.stored(), 1u);
  Context context;
  v1::GetRequest request;
  request.set_keys(KeyBytes(1) + KeyBytes(99) + KeyBytes(3));
  const auto reader = objects_->Get(&context, request);
  v1::ObjectFrame frame;
  for (const int n : {1, 99, 3}) {
    ASSERT_TRUE(reader->Read(&frame));
    EXPECT_EQ(frame.key(), KeyBytes(n));
    EXPECT_EQ(frame.missing(), n == 99);
    if (n == 99) continue;
    EXPECT_EQ(frame.payload(), *TestPayload(n, 3000));
    EXPECT_EQ(frame.checksum(), ObjectChecksum(TestKey(n), frame.payload()));
    EXPECT_EQ(frame.tenant(), "t");
  }
  EXPECT_FALSE(reader->Read(&frame));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(KvServiceTest, CallsWithoutADeadlineOrOfAnotherVersionAreRefused) {
  Start();
  v1::FindReply reply;
  Context forever(false);
  EXPECT_EQ(store_->Find(&forever, {}, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  for (const char* const version : {"", "0", "2", "1 "}) {
    Context other(true, version);
    const grpc::Status status = store_->Find(&other, {}, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << version;
    EXPECT_THAT(status.error_message(), HasSubstr("speaks version 1"));
  }
  EXPECT_EQ(node_->gate().num_refused(), 5u);
}

TEST_F(KvServiceTest, KeysThatAreNoneAreRefused) {
  Start();
  std::string unknown = KeyBytes(1);
  unknown[32] = 9;
  std::string many;
  for (size_t i = 0; i <= kKeysMax; ++i) many += KeyBytes(1);
  uint64_t num_refused = 0;
  for (const std::string& keys : {KeyBytes(1).substr(1), KeyBytes(1) + "x", unknown, many}) {
    v1::FindRequest request;
    request.set_keys(keys);
    v1::FindReply reply;
    Context find;
    EXPECT_EQ(store_->Find(&find, request, &reply).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
    Context get;
    v1::GetRequest get_request;
    get_request.set_keys(keys);
    v1::ObjectFrame frame;
    const auto reader = objects_->Get(&get, get_request);
    EXPECT_FALSE(reader->Read(&frame));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(node_->gate().num_refused(), num_refused += 2);
  }
  many.resize(kKeysMax * kKeyBytes);
  v1::FindRequest request;
  request.set_keys(many);
  v1::FindReply reply;
  Context find;
  EXPECT_TRUE(store_->Find(&find, request, &reply).ok()) << "so many are allowed";
}

TEST_F(KvServiceTest, ForgedAndDamagedObjectsAreRefusedAndOthersTaken) {
  Start();
  v1::ObjectFrame damaged = Frame(1, 1000);
  (*damaged.mutable_payload())[500] ^= 1;
  v1::ObjectFrame under_another_name = Frame(2, 1000);
  under_another_name.set_key(KeyBytes(3));
  v1::ObjectFrame truncated = Frame(4, 1000);
  truncated.mutable_payload()->resize(999);
  v1::PutReply reply;
  ASSERT_TRUE(Put({damaged, under_another_name, Frame(5, 1000), truncated}, &reply).ok());
  EXPECT_EQ(reply.stored(), 1u);
  EXPECT_EQ(reply.refused(), 3u);
  EXPECT_EQ(node_->node().counts().refused_damaged, 3u);
  EXPECT_EQ(node_->node().memory().num_objects(), 1u);
}

TEST_F(KvServiceTest, FramesThatAreNoneEndTheCall) {
  Start();
  v1::ObjectFrame no_key = Frame(1, 10);
  no_key.clear_key();
  v1::ObjectFrame long_tenant = Frame(1, 10);
  long_tenant.set_tenant(std::string(kTenantBytesMax + 1, 't'));
  v1::ObjectFrame bad_parent = Frame(1, 10);
  bad_parent.set_parent("short");
  for (const v1::ObjectFrame& frame : {no_key, long_tenant, bad_parent}) {
    v1::PutReply reply;
    EXPECT_EQ(Put({frame}, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  const std::string sound = Frame(1, 10).SerializeAsString();
  const std::string huge_varint = "\x7a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  for (const std::string& bytes :
       {std::string("x"), std::string("\x7a"), huge_varint, sound + std::string("\x18\x01"),
        sound.substr(0, sound.size() - 1), sound + "0", std::string(10000, '\x08'),
        std::string("\x0b\x0c"), std::string("\x22\xff\xff\xff\xff\x0f")}) {
    EXPECT_EQ(PutBytes(bytes).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << bytes.substr(0, 20);
  }
  EXPECT_EQ(node_->gate().num_refused(), 12u);
  EXPECT_EQ(node_->node().memory().num_objects(), 0u);
  PutSound(1, 2, 10);
}

TEST_F(KvServiceTest, AFrameWithAFieldOfALaterVersionIsRead) {
  Start();
  const std::string later = "\xa2\x06\x03new";  // field 100
  EXPECT_TRUE(PutBytes(later + Frame(1, 10).SerializeAsString()).ok());
  EXPECT_EQ(node_->node().memory().num_objects(), 1u);
}

TEST_F(KvServiceTest, AMessageBeyondTheLimitLeavesTheNodeWhole) {
  Start();
  v1::PutReply reply;
  v1::ObjectFrame huge = Frame(1, 1);
  huge.set_payload(std::string(static_cast<size_t>(kFrameBytesMax) + 1, 'x'));
  EXPECT_EQ(Put({huge}, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  v1::ObjectFrame large = Frame(1, 1);
  large.set_payload(std::string(kObjectBytesMax + 1, 'x'));
  ASSERT_TRUE(Put({large}, &reply).ok());
  EXPECT_EQ(reply.refused(), 1u);
  PutSound(1, 2, 10);
}

TEST_F(KvServiceTest, MoreCallsThanAllowedAreToldToComeLater) {
  Start(TestNode::SmallOptions(), 1);
  Context open;
  v1::PutReply put;
  const auto writer = objects_->Put(&open, &put);
  ASSERT_TRUE(writer->Write(Frame(1, 10)));
  while (node_->node().memory().num_objects() == 0) absl::SleepFor(absl::Milliseconds(1));
  Context context;
  v1::FindReply reply;
  EXPECT_EQ(store_->Find(&context, {}, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  Context again;
  EXPECT_TRUE(store_->Find(&again, {}, &reply).ok());
}

// The reader takes its time, longer than any object stays: what it reads is whole all the same.
TEST_F(KvServiceTest, ASlowReaderIsNeverGivenAnythingButWhatItAskedFor) {
  StoreNode::Options options = TestNode::SmallOptions();
  options.memory.capacity_bytes = 4 << 20;
  Start(options);
  PutSound(0, 3, 1 << 20);
  ASSERT_TRUE(node_->node().Flush(absl::Now() + absl::Seconds(30)));
  Context context;
  v1::GetRequest request;
  request.set_keys(KeyBytes(0) + KeyBytes(1) + KeyBytes(2));
  const auto reader = objects_->Get(&context, request);
  for (int n = 0; n < 3; ++n) {
    v1::PutReply reply;
    for (int other = 0; other < 8; ++other)
      ASSERT_TRUE(Put({Frame(100 + 10 * n + other, 1 << 20)}, &reply).ok());
    v1::ObjectFrame frame;
    ASSERT_TRUE(reader->Read(&frame));
    EXPECT_TRUE(frame.missing() || frame.payload() == *TestPayload(n, 1 << 20)) << n;
    EXPECT_LE(node_->node().memory().used_bytes(), options.memory.capacity_bytes);
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(KvServiceTest, ASealedNodeIsReadButNotWritten) {
  Start();
  PutSound(1, 2, 100);
  Context seal;
  v1::SealReply sealed;
  ASSERT_TRUE(store_->Seal(&seal, {}, &sealed).ok());
  EXPECT_TRUE(sealed.flushed());
  EXPECT_EQ(node_->node().disk()->num_objects(), 1u);
  v1::PutReply put;
  EXPECT_EQ(Put({Frame(2, 100)}, &put).error_code(), grpc::StatusCode::UNAVAILABLE);
  Context find;
  v1::FindRequest request;
  request.set_keys(KeyBytes(1) + KeyBytes(2));
  v1::FindReply reply;
  ASSERT_TRUE(store_->Find(&find, request, &reply).ok());
  EXPECT_EQ(reply.present(), "\x01");
}

TEST_F(KvServiceTest, AnOperatorSeesVerifiesAndEvicts) {
  Start();
  PutSound(0, 10, 100);
  v1::ObjectFrame other = Frame(10, 100);
  other.set_tenant("u");
  v1::PutReply put;
  ASSERT_TRUE(Put({other}, &put).ok());
  Context scan;
  v1::ScanRequest of_t;
  of_t.set_tenant("t");
  const auto reader = store_->Scan(&scan, of_t);
  v1::ScanReply batch;
  int num_scanned = 0;
  while (reader->Read(&batch)) num_scanned += batch.objects_size();
  EXPECT_EQ(num_scanned, 10);
  Context verify;
  v1::VerifyReply verified;
  ASSERT_TRUE(store_->Verify(&verify, {}, &verified).ok());
  EXPECT_GE(verified.sound(), 11u);
  EXPECT_EQ(verified.damaged(), 0u);
  Context evict;
  v1::EvictRequest all_of_t;
  all_of_t.set_tenant("t");
  v1::EvictReply evicted;
  ASSERT_TRUE(store_->Evict(&evict, all_of_t, &evicted).ok());
  EXPECT_EQ(evicted.evicted(), 10u);
  Context describe;
  v1::StoreDescription store;
  ASSERT_TRUE(store_->Describe(&describe, {}, &store).ok());
  EXPECT_EQ(store.memory_objects(), 1u);
  EXPECT_EQ(store.tenant_bytes().at("u"), 100u);
}

TEST_F(KvServiceTest, JournalsTravelAndOldVersionsAreRefused) {
  Start();
  v1::PutJournalRequest request;
  request.set_request_id("r");
  request.set_version(2);
  request.set_journal("two");
  request.set_keep_ms(UINT64_MAX);
  v1::PutJournalReply reply;
  Context first, second, third, fourth;
  ASSERT_TRUE(store_->PutJournal(&first, request, &reply).ok());
  request.set_version(1);
  EXPECT_EQ(store_->PutJournal(&second, request, &reply).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::GetJournalRequest get;
  get.set_request_id("r");
  v1::GetJournalReply journal;
  ASSERT_TRUE(store_->GetJournal(&third, get, &journal).ok());
  EXPECT_EQ(journal.journal(), "two");
  get.set_request_id("s");
  EXPECT_EQ(store_->GetJournal(&fourth, get, &journal).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(KvServiceTest, MetricsAreThoseOfTheirPage) {
  Start();
  PutSound(0, 3, 100);
  const NodeMetrics metrics(&node_->node(), &node_->objects(), &node_->gate());
  const std::string text = prometheus::TextSerializer().Serialize(metrics.Collect());
  EXPECT_THAT(text, HasSubstr("kv_store_stored_total 3"));
  EXPECT_THAT(text, HasSubstr("kv_store_tenant_bytes{tenant=\"t\"} 300"));
  std::ostringstream page;
  page << std::ifstream("docs/metrics.md").rdbuf();
  EXPECT_THAT(CompareMetrics(ParseMetricsText(text), ParseMetricsTable(page.str()), {"kv_store_"}),
              IsEmpty());
}

}  // namespace
}  // namespace coterie
