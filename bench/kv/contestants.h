// What moves extents in speed_bench: one gRPC or socket client each, with the same two verbs.
#ifndef COTERIE_BENCH_KV_CONTESTANTS_H_
#define COTERIE_BENCH_KV_CONTESTANTS_H_

#include <cstddef>
#include <functional>
#include <string>

#include "kv_store/block_id.h"

namespace coterie {

// A client is made by each of the clients' threads.
struct Contestant {
  struct Client {
    std::function<void(int from, int to)> write, read;
  };
  std::string name;
  std::function<Client()> connect;
  std::function<void()> forget = [] {};
  double ways = 1;  // how often an extent crosses in one read or write
};

// The n-th extent.
std::string ExtentPayload(int n, size_t bytes);
ObjectKey ExtentKey(int n);

// Of servers.h, at these addresses; extents of so many bytes.
Contestant EchoContestant(const std::string& address, size_t bytes);
Contestant PlainContestant(const std::string& address, size_t bytes);
// shares_memory: with its clients; they begin when they do.
Contestant StoreContestant(const std::string& name, const std::string& address, size_t bytes,
                           bool shares_memory);
Contestant LimitContestant(const std::string& address, size_t bytes);
Contestant RedisContestant(const std::string& address, size_t bytes);

}  // namespace coterie

#endif  // COTERIE_BENCH_KV_CONTESTANTS_H_
