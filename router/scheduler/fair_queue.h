// FairQueue: who is served next when more want to run than can. Pure bookkeeping: no clock of its
// own, no threads.
//
// Order: the highest priority; among equals the tenant that has been served the fewest tokens for
// its weight (the virtual token counter of Sheng et al., "Fairness in Serving Large Language
// Models", 2024), and of one tenant the item that came first. So that nobody waits forever, one
// goes before all when it has waited for `promote_after` and nothing of its tenant and priority
// made progress meanwhile; a flood, of which something is served all the time, gains nothing by its
// age. A tenant that comes back after a pause is lifted to the least served of those who stayed: a
// pause earns no credit.
//
// Time and memory do not depend on how many wait, only on tenants and priorities.
//
// Requires: one owner thread. Guarantees: an item that was pushed leaves by Take or RemoveIf, never
// otherwise.
//
//   queue.Push(std::move(sequence), {.tenant = "a", .priority = 0, .arrived = now});
//   if (Sequence* next = queue.Next(now); next != nullptr && Fits(*next)) Start(queue.Take(now));
//   queue.Charge("a", 512); queue.Progressed("a", 0, now);
#ifndef COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_
#define COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kernels/check.h"

namespace coterie {

struct QueueTicket {
  std::string tenant;
  int priority = 0;  // higher goes first
  absl::Time arrived;
};

template <typename Item>
class FairQueue {
 public:
  struct Options {
    std::map<std::string, double> weights;  // of tenants; 1 for those that are not named
    absl::Duration promote_after = absl::Seconds(30);
  };

  explicit FairQueue(Options options) : options_(std::move(options)) {}

  void Push(Item item, QueueTicket ticket) {
    Tenant& tenant = TenantOf(ticket.tenant);
    if (tenant.waiting.empty() && tenant.num_running == 0)
      tenant.served = std::max(tenant.served, LeastServedActive());
    tenant.waiting[ticket.priority].push_back({std::move(item), ticket.arrived, next_number_++});
    ++size_;
  }

  // The item that Take would give; null when there is none. Valid until the next call.
  Item* Next(absl::Time now) {
    const Place place = Find(now);
    return place.lane == nullptr ? nullptr : &place.lane->front().item;
  }
  // Whether it goes before all.
  bool NextIsLate(absl::Time now) { return Find(now).late; }
  // Requires that there is one. From here on its tenant counts as active until Leave.
  Item Take(absl::Time now) {
    const Place place = Find(now);
    CHECK(place.lane != nullptr) << "nothing waits";
    place.tenant->progressed[place.priority] = now;
    Item item = std::move(place.lane->front().item);
    place.lane->pop_front();
    if (place.lane->empty()) place.tenant->waiting.erase(place.priority);
    ++place.tenant->num_running;
    --size_;
    return item;
  }
  // What was taken is finished.
  void Leave(const std::string& name) {
    Tenant& tenant = TenantOf(name);
    CHECK_GT(tenant.num_running, 0) << name;
    --tenant.num_running;
    Forget();
  }

  // `tokens` were computed for a tenant.
  void Charge(const std::string& name, int64_t tokens) {
    TenantOf(name).served += static_cast<double>(tokens) / WeightOf(name);
  }
  // Something of a tenant and a priority, taken before, was in a step.
  void Progressed(const std::string& name, int priority, absl::Time now) {
    TenantOf(name).progressed[priority] = now;
  }
  absl::Time LastProgress(const std::string& name, int priority) const {
    const auto found = tenants_.find(name);
    return found == tenants_.end() ? absl::InfinitePast() : found->second.LastProgress(priority);
  }
  // Tokens over weight; of a tenant that waits, or has something taken.
  double ServedOf(const std::string& name) const {
    const auto found = tenants_.find(name);
    return found == tenants_.end() ? 0 : found->second.served;
  }
  double WeightOf(const std::string& name) const {
    const auto found = options_.weights.find(name);
    return found == options_.weights.end() ? 1 : found->second;
  }

  // leaves(item): true for one that goes away unserved.
  template <typename Leaves>
  void RemoveIf(Leaves leaves) {
    for (auto& [name, tenant] : tenants_) {
      for (auto& [priority, lane] : tenant.waiting)
        size_ -= std::erase_if(lane, [&](Entry& entry) { return leaves(entry.item); });
      std::erase_if(tenant.waiting, [](const auto& lane) { return lane.second.empty(); });
    }
    Forget();
  }

  // visit(item), in no particular order.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& [name, tenant] : tenants_) {
      for (auto& [priority, lane] : tenant.waiting) {
        for (Entry& entry : lane) visit(entry.item);
      }
    }
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t num_tenants() const { return tenants_.size(); }

 private:
  struct Entry {
    Item item;
    absl::Time arrived;
    uint64_t number;  // order of arrival
  };
  using Lane = std::deque<Entry>;  // one priority of one tenant, in order of arrival
  struct Tenant {
    double served = 0;  // tokens over weight
    int64_t num_running = 0;
    std::map<int, Lane, std::greater<>> waiting;  // by priority, the highest first; none is empty
    std::map<int, absl::Time> progressed;         // by priority

    absl::Time LastProgress(int priority) const {
      const auto found = progressed.find(priority);
      return found == progressed.end() ? absl::InfinitePast() : found->second;
    }
  };
  // A lane whose front is next.
  struct Place {
    Tenant* tenant = nullptr;
    Lane* lane = nullptr;
    int priority = 0;
    bool late = false;
  };

  Tenant& TenantOf(const std::string& name) { return tenants_[name]; }

  // The fewest served tokens of a tenant that waits or runs; 0 when none does.
  double LeastServedActive() const {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [name, tenant] : tenants_) {
      if (!tenant.waiting.empty() || tenant.num_running > 0) least = std::min(least, tenant.served);
    }
    return least == std::numeric_limits<double>::infinity() ? 0 : least;
  }

  Place Find(absl::Time now) {
    Place best;
    for (auto& [name, tenant] : tenants_) {
      for (auto& [priority, lane] : tenant.waiting) {
        const absl::Time since = std::max(lane.front().arrived, tenant.LastProgress(priority));
        const bool late = now - since >= options_.promote_after;
        const Place place = {&tenant, &lane, priority, late};
        if (best.lane == nullptr || GoesBefore(place, best)) best = place;
      }
    }
    return best;
  }

  static bool GoesBefore(const Place& a, const Place& b) {
    if (a.late != b.late) return a.late;
    if (!a.late && a.priority != b.priority) return a.priority > b.priority;
    if (a.tenant != b.tenant && a.tenant->served != b.tenant->served)
      return a.tenant->served < b.tenant->served;
    return a.lane->front().number < b.lane->front().number;
  }

  // A tenant that neither waits nor runs, and has been served no more than those who do, has
  // nothing to remember: it would be lifted when it comes back. When nobody waits or runs, all
  // start anew.
  void Forget() {
    const auto idle = [](const auto& entry) {
      return entry.second.waiting.empty() && entry.second.num_running == 0;
    };
    const bool all_idle = std::all_of(tenants_.begin(), tenants_.end(), idle);
    const double least = LeastServedActive();
    std::erase_if(tenants_, [&](const auto& entry) {
      return idle(entry) && (all_idle || entry.second.served <= least);
    });
  }

  const Options options_;
  std::map<std::string, Tenant> tenants_;
  size_t size_ = 0;
  uint64_t next_number_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_
