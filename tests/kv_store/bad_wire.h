// BadWire: a wire between a client and a gRPC server at which bits of what calls carry flip, things
// take longer, and connections break. What TCP's checksums let pass now and then, often.
//
//   BadWire wire(node.address(), {.bytes_between_flips = 100000});
//   …connect to wire.address() instead…
#ifndef COTERIE_TESTS_KV_STORE_BAD_WIRE_H_
#define COTERIE_TESTS_KV_STORE_BAD_WIRE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

namespace coterie {

// Addresses are unix-abstract:NAME. Thread-safe.
class BadWire {
 public:
  struct Options {
    int64_t bytes_between_flips = 1 << 20;  // of messages, on average, each way; 0: none
    int delays_in_1000 = 20;                // pieces that come 1 to 5 ms late
    int cuts_in_100000 = 10;                // pieces at which the connection breaks
    uint32_t seed = 1;
  };
  BadWire(std::string server_address, Options options);
  ~BadWire();

  const std::string& address() const { return address_; }
  int64_t num_flipped() const { return num_flipped_; }

 private:
  struct Connection;

  void Accept();
  void Carry(int client);
  void Pump(int from, int to, size_t preface_bytes, uint32_t seed);

  const std::string server_address_, address_;
  const Options options_;
  const int listener_;
  std::atomic<int64_t> num_flipped_{0};
  std::atomic<bool> stopping_{false};
  uint32_t num_seeds_ = 0;                              // of the accepting thread, as are
  std::list<std::unique_ptr<Connection>> connections_;  // those that are open, or were just now
  std::thread accepting_;                               // last: it uses the above
};

}  // namespace coterie

#endif  // COTERIE_TESTS_KV_STORE_BAD_WIRE_H_
