// kv_store_ctl: what an operator asks of a kv_store: what it holds, whether it is sound, to forget,
// and to take no more.
//
//   kv_store_ctl --store=HOST:PORT --command=stats
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/client/key_list.h"
#include "kv_store/client/wire.h"
#include "kv_store/object.h"
#include "ops/process/clock.h"
#include "ops/process/flags.h"
#include "proto/kv.grpc.pb.h"

ABSL_FLAG(std::string, store, "127.0.0.1:9100", "Address of the kv_store.");
ABSL_FLAG(
    std::string, command, "stats",
    "stats: what it holds. scan: every object, one a line. verify: reads all and forgets what "
    "is damaged. evict: forgets --keys and all of --tenant. drain: takes no more objects and "
    "writes what waits to disk.");
ABSL_FLAG(std::string, tenant, "", "scan, evict: the objects of this tenant.");
ABSL_FLAG(std::string, keys, "", "evict: keys as scan prints them, separated by commas.");
ABSL_FLAG(absl::Duration, timeout, absl::Seconds(60), "Deadline of the call.");

namespace coterie {
namespace {

using Ull = unsigned long long;

int Judge(const grpc::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "kv_store_ctl: %s: %s\n", absl::GetFlag(FLAGS_store).c_str(),
               status.error_message().c_str());
  return 1;
}

int Stats(v1::KvStore::Stub& stub, grpc::ClientContext* context) {
  v1::StoreDescription store;
  if (const int code = Judge(stub.Describe(context, {}, &store)); code != 0) return code;
  std::printf("memory: %llu objects, %llu of %llu bytes\n", Ull{store.memory_objects()},
              Ull{store.memory_bytes()}, Ull{store.memory_capacity_bytes()});
  std::printf("disk: %llu objects, %llu of %llu bytes; %llu bytes wait\n",
              Ull{store.disk_objects()}, Ull{store.disk_bytes()}, Ull{store.disk_capacity_bytes()},
              Ull{store.write_queue_bytes()});
  std::printf("journals: %llu\n", Ull{store.journals()});
  for (const auto& [tenant, bytes] : store.tenant_bytes())
    std::printf("tenant \"%s\": %llu bytes in memory\n", tenant.c_str(), Ull{bytes});
  std::printf("instance %s, format %u%s\n", store.instance_id().c_str(), store.format_version(),
              store.sealed() ? ", takes no more objects" : "");
  return 0;
}

int Scan(v1::KvStore::Stub& stub, grpc::ClientContext* context) {
  v1::ScanRequest request;
  request.set_tenant(absl::GetFlag(FLAGS_tenant));
  const auto reader = stub.Scan(context, request);
  v1::ScanReply reply;
  while (reader->Read(&reply)) {
    for (const v1::ScannedObject& object : reply.objects()) {
      const auto key = ReadKey(object.key());
      if (!key) continue;
      std::printf("%s %llu %s%s %s\n", key->Text().c_str(), Ull{object.payload_bytes()},
                  object.in_memory() ? "m" : "-", object.on_disk() ? "d" : "-",
                  object.tenant().c_str());
    }
  }
  return Judge(reader->Finish());
}

int Verify(v1::KvStore::Stub& stub, grpc::ClientContext* context) {
  v1::VerifyReply reply;
  if (const int code = Judge(stub.Verify(context, {}, &reply)); code != 0) return code;
  std::printf("%llu sound, %llu damaged and forgotten\n", Ull{reply.sound()}, Ull{reply.damaged()});
  return reply.damaged() == 0 ? 0 : 1;
}

// "HEX:KIND:REPR", as ObjectKey::Text.
absl::StatusOr<ObjectKey> ParseKey(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int kind = 0, repr = -1;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[1], &kind) && absl::SimpleAtoi(parts[2], &repr) &&
      kind >= 1 && kind <= 3 && repr >= 0 && repr <= 255) {
    const absl::StatusOr<BlockId> id = BlockId::FromHex(parts[0]);
    if (!id.ok()) return id.status();
    return ObjectKey{*id, static_cast<BlockKind>(kind), static_cast<uint8_t>(repr)};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not a key as scan prints it: HEX:KIND:REPR"));
}

int Evict(v1::KvStore::Stub& stub, grpc::ClientContext* context) {
  std::vector<ObjectKey> keys;
  for (const absl::string_view text :
       absl::StrSplit(absl::GetFlag(FLAGS_keys), ',', absl::SkipEmpty())) {
    const absl::StatusOr<ObjectKey> key = ParseKey(std::string(text));
    if (!key.ok()) ExitWithUsageError(key.status().message());
    keys.push_back(*key);
  }
  v1::EvictRequest request;
  request.set_keys(WriteKeys(keys));
  request.set_tenant(absl::GetFlag(FLAGS_tenant));
  if (keys.empty() && request.tenant().empty())
    ExitWithUsageError("evict: --keys or --tenant is required");
  v1::EvictReply reply;
  if (const int code = Judge(stub.Evict(context, request, &reply)); code != 0) return code;
  std::printf("%llu evicted\n", Ull{reply.evicted()});
  return 0;
}

int Drain(v1::KvStore::Stub& stub, grpc::ClientContext* context) {
  v1::SealReply reply;
  if (const int code = Judge(stub.Seal(context, {}, &reply)); code != 0) return code;
  std::printf(reply.flushed() ? "takes no more objects; all is on disk\n"
                              : "takes no more objects; not all is on disk yet\n");
  return reply.flushed() ? 0 : 1;
}

int Run() {
  const auto stub = v1::KvStore::NewStub(
      grpc::CreateChannel(absl::GetFlag(FLAGS_store), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(ToSystemClock(MonotonicNow() + absl::GetFlag(FLAGS_timeout)));
  context.AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
  const std::string command = absl::GetFlag(FLAGS_command);
  if (command == "stats") return Stats(*stub, &context);
  if (command == "scan") return Scan(*stub, &context);
  if (command == "verify") return Verify(*stub, &context);
  if (command == "evict") return Evict(*stub, &context);
  if (command == "drain") return Drain(*stub, &context);
  ExitWithUsageError(absl::StrCat("--command=", command, ": stats, scan, verify, evict or drain"));
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Asks a kv_store what it holds, and tells it what to do.");
  return coterie::Run();
}
