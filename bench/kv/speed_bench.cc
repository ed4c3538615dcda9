// How fast extents go to a kv_store and come back, on one machine, beside what could be used
// instead.
//
// Bytes of a payload cross: memory to socket (one copy by the kernel), socket to memory (one more),
// into one piece (one of ours), and each end reads them once for a checksum. So the best possible
// is the loopback limit, measured first: a socket that is written and read with nothing behind it.
// Through shared memory: one copy by the writer, one by the reader, and the checksums.
//
// Rows: the limit; a gRPC echo of `bytes` by generated code (counted both ways); the same service
// as ours by generated code; Redis, if --redis names one; our node, by TCP, by a Unix socket and
// through shared memory. Each with one and with --clients clients, which share what is read. All
// servers are processes of their own.
//
//   redis-server --port 6399 --save '' --appendonly no &
//   speed_bench --redis=127.0.0.1:6399
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/kv/contestants.h"
#include "bench/kv/servers.h"
#include "kernels/check.h"
#include "kv_store/client/grpc_block_store.h"
#include "ops/process/allocator.h"
#include "ops/process/flags.h"

ABSL_FLAG(int, extent_bytes, 5 << 20, "Size of a payload.");
ABSL_FLAG(int, extents, 256, "How many are written and read by all clients together.");
ABSL_FLAG(int, rounds, 5, "Medians of so many.");
ABSL_FLAG(int, clients, 8, "Clients at once, beside one.");
ABSL_FLAG(std::string, only, "", "Rows whose names contain this.");
ABSL_FLAG(std::string, redis, "", "HOST:PORT of a Redis; empty: none.");

namespace coterie {
namespace {

double GigabytesPerSecond(const Contestant& contestant, int num_clients, bool is_read) {
  std::vector<double> rates;
  const int num = absl::GetFlag(FLAGS_extents);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    if (!is_read) contestant.forget();
    std::vector<Contestant::Client> clients;
    clients.reserve(static_cast<size_t>(num_clients));
    for (int c = 0; c < num_clients; ++c) clients.push_back(contestant.connect());
    const absl::Time start = absl::Now();
    std::vector<std::thread> threads;
    threads.reserve(static_cast<size_t>(num_clients));
    for (int c = 0; c < num_clients; ++c) {
      threads.emplace_back([&, c] {
        const int from = num * c / num_clients, to = num * (c + 1) / num_clients;
        (is_read ? clients[static_cast<size_t>(c)].read : clients[static_cast<size_t>(c)].write)(
            from, to);
      });
    }
    for (std::thread& thread : threads) thread.join();
    rates.push_back(contestant.ways * num * absl::GetFlag(FLAGS_extent_bytes) / 1e9 /
                    absl::ToDoubleSeconds(absl::Now() - start));
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

// Lookups of a long context, one after another.
void FindLatency(const std::string& address) {
  const auto store = *GrpcBlockStore::Create({.members = {address}});
  std::vector<ObjectKey> keys;
  keys.reserve(2048);
  for (int n = 0; n < 2048; ++n) keys.push_back(ExtentKey(n));
  std::vector<double> took;
  for (int i = 0; i < 1000; ++i) {
    std::promise<bool> found;
    const absl::Time start = absl::Now();
    store->Find(keys, start + absl::Seconds(10),
                [&](const absl::StatusOr<std::vector<bool>>& p) { found.set_value(p.ok()); });
    CHECK(found.get_future().get());
    took.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
  }
  std::sort(took.begin(), took.end());
  std::printf("lookup of 2,048 keys: median %.0f us, p99 %.0f us\n", took[took.size() / 2],
              took[took.size() * 99 / 100]);
}

int Run() {
  // As every process of ours does (ServerProcess); the others gain by it too.
  KeepLargeMessages();
  const std::string unix_address = absl::StrCat("unix-abstract:coterie-kv-bench-", getpid());
  const Server limit(ServeLimit);
  const Server plain(ServePlain);
  const Server store([&](int port_fd) { ServeStore(unix_address, false, port_fd); });
  const Server sharing([](int port_fd) { ServeStore("", true, port_fd); });
  const auto bytes = static_cast<size_t>(absl::GetFlag(FLAGS_extent_bytes));
  std::vector<Contestant> contestants = {LimitContestant(limit.address(), bytes),
                                         EchoContestant(plain.address(), bytes),
                                         PlainContestant(plain.address(), bytes)};
  if (const std::string redis = absl::GetFlag(FLAGS_redis); !redis.empty())
    contestants.push_back(RedisContestant(redis, bytes));
  contestants.push_back(StoreContestant("kv_store", store.address(), bytes, false));
  contestants.push_back(StoreContestant("kv_store, Unix socket", unix_address, bytes, false));
  contestants.push_back(StoreContestant("kv_store, shared memory", sharing.address(), bytes, true));
  const int many = absl::GetFlag(FLAGS_clients);
  std::printf("GB/s of extents of %d bytes\nwhat,write 1,read 1,write %d,read %d\n",
              absl::GetFlag(FLAGS_extent_bytes), many, many);
  for (const Contestant& contestant : contestants) {
    if (!absl::StrContains(contestant.name, absl::GetFlag(FLAGS_only))) continue;
    std::printf("%s", contestant.name.c_str());
    for (const int clients : {1, many}) {
      for (const bool is_read : {false, true})
        std::printf(",%.2f", GigabytesPerSecond(contestant, clients, is_read));
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  FindLatency(store.address());
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Times reads and writes of extents.");
  return coterie::Run();
}
