#include "kv_store/eviction_policy.h"

#include <utility>

#include "kernels/check.h"

namespace coterie {
namespace {

// What a hint means, from the end of a turn: half of the tools' pauses in traces of coding agents
// are shorter than 16 s; of those above 30 s most are of one to three minutes.
constexpr absl::Duration kSoonIn = absl::Seconds(15);
constexpr absl::Duration kLaterIn = absl::Seconds(150);

}  // namespace

EvictionPolicy::Entry* EvictionPolicy::Find(const ObjectKey& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second.get();
}

void EvictionPolicy::Track(Entry* entry) {
  if (entry->num_children == 0 && entry->num_pins == 0)
    OrderOf(*entry).emplace(entry->expected, entry->touch, entry);
}

void EvictionPolicy::Untrack(Entry* entry) {
  if (entry->num_children == 0 && entry->num_pins == 0)
    OrderOf(*entry).erase({entry->expected, entry->touch, entry});
}

void EvictionPolicy::Expect(Entry* entry, absl::Time expected, bool is_done) {
  Untrack(entry);
  entry->expected = expected;
  entry->touch = ++num_touches_;
  entry->is_done = is_done;
  Track(entry);
}

void EvictionPolicy::Add(const ObjectKey& key, const ObjectKey& parent, absl::Time now) {
  auto entry = std::make_unique<Entry>();
  entry->key = key;
  entry->expected = now;
  entry->touch = ++num_touches_;
  if (Entry* held = key == parent ? nullptr : Find(parent); held != nullptr) {
    Untrack(held);
    entry->parent = held;
    held->is_shared |= ++held->num_children > 1;
    held->is_done = false;  // somebody goes on from it
  }
  Track(entry.get());
  CHECK(entries_.emplace(key, std::move(entry)).second) << key.Text() << " is held already";
}

void EvictionPolicy::Touch(const ObjectKey& key, absl::Time now) {
  if (Entry* entry = Find(key); entry != nullptr) Expect(entry, now, false);
}

void EvictionPolicy::Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now) {
  const bool is_done = hint == StoreHint::kDone;
  absl::Time expected = now;
  if (hint == StoreHint::kSoon) expected += kSoonIn;
  if (hint == StoreHint::kLater) expected += kLaterIn;
  const uint64_t before = num_touches_;
  for (size_t i = keys.size(); i-- > 0;) {
    for (Entry* entry = Find(keys[i]); entry != nullptr; entry = entry->parent) {
      if (entry->touch > before) break;  // on the way from a later key
      if (is_done && entry->is_shared) break;
      Expect(entry, expected, is_done);
    }
  }
}

void EvictionPolicy::Pin(const ObjectKey& key) {
  Entry* entry = Find(key);
  CHECK(entry != nullptr) << key.Text();
  Untrack(entry);
  ++entry->num_pins;
}

void EvictionPolicy::Unpin(const ObjectKey& key) {
  Entry* entry = Find(key);
  CHECK(entry != nullptr && entry->num_pins > 0) << key.Text();
  --entry->num_pins;
  Track(entry);
}

void EvictionPolicy::Remove(const ObjectKey& key) {
  Entry* entry = Find(key);
  CHECK(entry != nullptr) << key.Text();
  Untrack(entry);
  // Taken out of the middle of a chain, by an operator: its children begin chains of their own.
  if (entry->num_children > 0) {
    for (const auto& [_, other] : entries_) {
      if (other->parent == entry) other->parent = nullptr;
    }
  }
  if (Entry* parent = entry->parent; parent != nullptr) {
    --parent->num_children;
    Track(parent);
  }
  entries_.erase(key);
}

std::optional<EvictionPolicy::Victim> EvictionPolicy::Next(absl::Time now) const {
  if (!done_.empty())
    return Victim{std::get<Entry*>(*done_.begin())->key, absl::InfiniteDuration()};
  if (waiting_.empty()) return std::nullopt;
  const auto oldest = waiting_.begin();
  // Of those that are expected last, the one touched first.
  const auto last = waiting_.lower_bound({std::get<absl::Time>(*waiting_.rbegin()), 0, nullptr});
  const absl::Duration behind = now - std::get<absl::Time>(*oldest);
  const absl::Duration ahead = std::get<absl::Time>(*last) - now;
  if (ahead > behind) return Victim{std::get<Entry*>(*last)->key, ahead};
  return Victim{std::get<Entry*>(*oldest)->key, absl::AbsDuration(behind)};
}

}  // namespace coterie
