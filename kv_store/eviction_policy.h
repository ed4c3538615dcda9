// EvictionPolicy: which object is given up next. Objects of a context form chains: an object is a
// leaf while no other that is held names it as its parent, and only leaves go, since a context
// without its beginning is worth nothing.
//
// Each object has a time at which its next use is expected: what its hint said, or else its last
// use. The leaf goes whose expected use is farthest from now, ahead or behind: one that is overdue
// by an hour is as little likely to come soon as one that is due in an hour. Without hints that is
// LRU, from the ends of contexts; with them it comes near to knowing the future. Contexts that are
// done go before all others. Among equals the one that was touched first goes first, so touch a
// context from its end to its beginning, at one time.
//
// Pure: no clock, no bytes. Thread-compatible.
#ifndef COTERIE_KV_STORE_EVICTION_POLICY_H_
#define COTERIE_KV_STORE_EVICTION_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/hint.h"

namespace coterie {

class EvictionPolicy {
 public:
  struct Victim {
    ObjectKey key;
    absl::Duration distance;  // from now to its expected use, either way; infinite when done
  };

  EvictionPolicy() = default;
  EvictionPolicy(const EvictionPolicy&) = delete;
  EvictionPolicy& operator=(const EvictionPolicy&) = delete;

  // `key` is new here. A parent that is not held, or is the key itself, is none.
  void Add(const ObjectKey& key, const ObjectKey& parent, absl::Time now);
  // It is used: what was hinted about it holds no more.
  void Touch(const ObjectKey& key, absl::Time now);
  // For `keys`, of one context from its beginning to its end, and all their ancestors; that a
  // context is done says nothing about what it shares. Of a context that several nodes share, an
  // object's parent is not here: hence more keys than its end.
  void Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now);
  // A pinned object, and so its ancestors, stay. Pins are counted.
  void Pin(const ObjectKey& key);
  void Unpin(const ObjectKey& key);
  void Remove(const ObjectKey& key);

  // Nothing when all are pinned, or there are none.
  std::optional<Victim> Next(absl::Time now) const;

  bool Holds(const ObjectKey& key) const { return entries_.contains(key); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    ObjectKey key;
    Entry* parent = nullptr;
    absl::Time expected;
    uint64_t touch = 0;  // grows with every touch
    int32_t num_children = 0, num_pins = 0;
    bool is_done = false, is_shared = false;  // shared: it had two children once
  };
  // Leaves without pins. Pointers come last: no order depends on them.
  using Order = std::set<std::tuple<absl::Time, uint64_t, Entry*>>;

  Entry* Find(const ObjectKey& key) const;
  Order& OrderOf(const Entry& entry) { return entry.is_done ? done_ : waiting_; }
  void Track(Entry* entry);
  void Untrack(Entry* entry);
  void Expect(Entry* entry, absl::Time expected, bool is_done);

  absl::flat_hash_map<ObjectKey, std::unique_ptr<Entry>> entries_;
  Order waiting_, done_;
  uint64_t num_touches_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_EVICTION_POLICY_H_
