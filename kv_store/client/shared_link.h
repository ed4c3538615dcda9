// SharedLink: a client's window (shared_window.h) to one kv_store. The node says in its description
// where it takes windows; who can reach that place is on the same machine.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_SHARED_LINK_H_
#define COTERIE_KV_STORE_CLIENT_SHARED_LINK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kv_store/client/shared_window.h"

namespace coterie {

class SharedLink {
 private:
  struct Opened;

 public:
  // A region for one call.
  class Lease {
   public:
    // Of a call that has ended, or never began. Unless the node has said that its part is over, the
    // region is not used again: it may still be at it.
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    SharedRing& ring() { return ring_; }
    // What the node knows it by: the value of kWindowMetadata.
    std::string Name() const;
    // False once the node is gone.
    bool IsAlive() const;
    // The call never began.
    void Unuse() { ring_.SetOver(); }

   private:
    friend class SharedLink;
    Lease(std::shared_ptr<Opened> opened, size_t region);

    const std::shared_ptr<Opened> opened_;
    const size_t region_;
    SharedRing ring_;
  };

  // Null: there is no window, or all of it is in use.
  std::unique_ptr<Lease> Acquire();

  bool IsOpen() const;
  // True when there is no window, or one that is worn, nobody is opening one, and the last attempt
  // was a while ago: the caller is to call Open, or Fail.
  bool BeginOpening();
  // name: StoreDescription.shared_memory; empty: the node takes none. Waits for an answer for at
  // most some tenths of a second.
  void Open(const std::string& name);
  void Fail();

 private:
  mutable std::mutex mu_;  // guards what follows
  std::shared_ptr<Opened> opened_;
  bool is_worn_ = false;  // too few of its regions are left
  bool opening_ = false;
  absl::Time tried_ = absl::InfinitePast();
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_SHARED_LINK_H_
