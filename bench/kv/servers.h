// The servers of speed_bench, each in a process of its own.
#ifndef COTERIE_BENCH_KV_SERVERS_H_
#define COTERIE_BENCH_KV_SERVERS_H_

#include <sys/types.h>

#include <functional>
#include <string>

namespace coterie {

// Forked before this process has any thread; killed by the destructor.
class Server {
 public:
  // serve: writes its port, an int, to port_fd, and does not return.
  explicit Server(const std::function<void(int port_fd)>& serve);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string address() const;

 private:
  pid_t pid_;
  int port_ = 0;
};

// A socket on which whatever is asked for comes, and whatever is sent is taken.
void ServeLimit(int port_fd);
// KvObjects by generated code, and an echo of bytes as KvStore.Find.
void ServePlain(int port_fd);
// A kv_store without a disk, also at a Unix socket.
void ServeStore(const std::string& unix_address, bool shares_memory, int port_fd);

}  // namespace coterie

#endif  // COTERIE_BENCH_KV_SERVERS_H_
