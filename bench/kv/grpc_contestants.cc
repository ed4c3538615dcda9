#include <grpcpp/grpcpp.h>

#include <atomic>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/kv/contestants.h"
#include "kernels/check.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/wire.h"
#include "kv_store/object.h"
#include "proto/kv.grpc.pb.h"

namespace coterie {
namespace {

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kFrameBytesMax);
  arguments.SetMaxSendMessageSize(kFrameBytesMax);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string KeyBytes(int n) {
  std::string bytes;
  AppendKey(ExtentKey(n), &bytes);
  return bytes;
}

}  // namespace

std::string ExtentPayload(int n, size_t bytes) {
  return std::string(bytes, static_cast<char>('a' + n % 26));
}

ObjectKey ExtentKey(int n) {
  const std::string name = absl::StrCat("extent ", n);
  const std::vector<absl::string_view> fields = {name};
  return {RootId(fields), BlockKind::kGlobal, 1};
}

Contestant EchoContestant(const std::string& address, size_t bytes) {
  return {.name = "gRPC echo of bytes",
          .connect =
              [address, bytes] {
                const std::shared_ptr<v1::KvStore::Stub> stub =
                    v1::KvStore::NewStub(NewChannel(address));
                const auto run = [stub, bytes](int from, int to) {
                  v1::FindRequest request;
                  request.set_keys(ExtentPayload(from, bytes));
                  for (int n = from; n < to; ++n) {
                    grpc::ClientContext context;
                    v1::FindReply reply;
                    CHECK(stub->Find(&context, request, &reply).ok());
                  }
                };
                return Contestant::Client{run, run};
              },
          .ways = 2};
}

Contestant PlainContestant(const std::string& address, size_t bytes) {
  return {.name = "same service, generated code", .connect = [address, bytes] {
            const std::shared_ptr<v1::KvObjects::Stub> stub =
                v1::KvObjects::NewStub(NewChannel(address));
            return Contestant::Client{[stub, bytes](int from, int to) {
                                        grpc::ClientContext context;
                                        v1::PutReply reply;
                                        const auto writer = stub->Put(&context, &reply);
                                        v1::ObjectFrame frame;
                                        frame.set_payload(ExtentPayload(from, bytes));
                                        for (int n = from; n < to; ++n) {
                                          frame.set_key(KeyBytes(n));
                                          CHECK(writer->Write(frame));
                                        }
                                        writer->WritesDone();
                                        CHECK(writer->Finish().ok());
                                      },
                                      [stub, bytes](int from, int to) {
                                        grpc::ClientContext context;
                                        v1::GetRequest request;
                                        for (int n = from; n < to; ++n)
                                          request.mutable_keys()->append(KeyBytes(n));
                                        const auto reader = stub->Get(&context, request);
                                        v1::ObjectFrame frame;
                                        for (int n = from; n < to; ++n) CHECK(reader->Read(&frame));
                                        CHECK(reader->Finish().ok());
                                      }};
          }};
}

Contestant StoreContestant(const std::string& name, const std::string& address, size_t bytes,
                           bool shares_memory) {
  const auto forget = [address] {
    const auto stub = v1::KvStore::NewStub(NewChannel(address));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    context.AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
    v1::EvictRequest request;
    request.set_tenant("bench");
    v1::EvictReply reply;
    CHECK(stub->Evict(&context, request, &reply).ok());
  };
  const auto connect = [address, bytes, shares_memory] {
    const std::shared_ptr<GrpcBlockStore> store =
        *GrpcBlockStore::Create({.members = {address},
                                 .put_queue_bytes = size_t{4} << 30,
                                 .put_timeout = absl::Seconds(60)});
    std::promise<void> found;
    store->Find({ExtentKey(0)}, absl::Now() + absl::Seconds(60),
                [&](const absl::StatusOr<std::vector<bool>>&) { found.set_value(); });
    found.get_future().wait();
    while (shares_memory && store->counts().members_sharing_memory == 0)
      absl::SleepFor(absl::Milliseconds(1));
    return Contestant::Client{[store, bytes](int from, int to) {
                                const auto payload =
                                    std::make_shared<const std::string>(ExtentPayload(from, bytes));
                                std::vector<StoredObject> objects;
                                for (int n = from; n < to; ++n)
                                  objects.push_back({ExtentKey(n), payload});
                                CHECK(store->Put(std::move(objects), {.tenant = "bench"}));
                                CHECK(store->Flush(absl::Now() + absl::Seconds(60)));
                                CHECK_EQ(store->counts().put_dropped, 0u);
                              },
                              [store, bytes](int from, int to) {
                                std::vector<ObjectKey> keys;
                                for (int n = from; n < to; ++n) keys.push_back(ExtentKey(n));
                                std::atomic<int> num_came = 0;
                                std::promise<void> ended;
                                store->Get(
                                    keys, absl::Now() + absl::Seconds(60),
                                    [&](size_t, const StoredObject& object) {
                                      num_came += object.bytes == nullptr ? 0 : 1;
                                    },
                                    [&](const absl::Status&) { ended.set_value(); });
                                ended.get_future().wait();
                                CHECK_EQ(num_came, to - from);
                              }};
  };
  return {.name = name, .connect = connect, .forget = forget};
}

}  // namespace coterie
