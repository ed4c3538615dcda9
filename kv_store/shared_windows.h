// SharedWindows: the windows (client/shared_window.h) that routers of this machine have handed to
// this kv_store. It takes them at an abstract socket, from processes of its own user, and keeps
// each as long as the connection over which it came.
//
// Thread-safe; has a thread of its own.
#ifndef COTERIE_KV_STORE_SHARED_WINDOWS_H_
#define COTERIE_KV_STORE_SHARED_WINDOWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kv_store/client/local_socket.h"
#include "kv_store/client/shared_window.h"

namespace coterie {

class SharedWindows {
 public:
  static constexpr size_t kWindowsMax = 256;

  // Unavailable: the socket cannot be had.
  static absl::StatusOr<std::unique_ptr<SharedWindows>> Start();
  ~SharedWindows();

  // For StoreDescription.
  const std::string& socket_name() const { return name_; }
  // The region that a call names, WINDOW.REGION; nothing: there is no such one.
  std::optional<SharedRing> Ring(absl::string_view name) const;
  size_t size() const;

 private:
  struct Held {
    OwnedFd socket;
    absl::Time since;                      // when it connected
    std::unique_ptr<SharedWindow> window;  // null: it has not come yet
  };

  SharedWindows(std::string name, OwnedFd listener, OwnedFd wake_from, OwnedFd wake_to);
  void Run();
  // False: there are no descriptors left, say.
  bool Accept();
  // False: it is to go.
  bool Hear(uint64_t id);
  bool MayStay(uint64_t id) const;
  uint64_t NewId();

  const std::string name_;
  const OwnedFd listener_, wake_from_, wake_to_;
  std::random_device random_;
  mutable std::mutex mu_;          // guards what follows, which the thread alone changes
  std::map<uint64_t, Held> held_;  // by id, which cannot be guessed
  std::thread thread_;             // last: it uses the above
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_SHARED_WINDOWS_H_
