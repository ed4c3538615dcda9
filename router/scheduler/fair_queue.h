// FairQueue: who is served next when more want to run than can. Pure bookkeeping: no clock of its
// own, no threads.
//
// Order: what has waited longer than `promote_after` goes first, oldest first, so that nobody waits
// forever. Then the highest priority. Among equals the tenant that has been served the fewest
// tokens for its weight (the virtual token counter of Sheng et al., "Fairness in Serving Large
// Language Models", 2024), and of one tenant the item that came first. A tenant that comes back
// after a pause is lifted to the least served of those who stayed: a pause earns no credit.
//
// Requires: one owner thread. Guarantees: an item that was pushed leaves by Take or RemoveIf, never
// otherwise.
//
//   queue.Push(std::move(sequence), {.tenant = "a", .priority = 0, .arrived = now});
//   if (Sequence* next = queue.Next(now); next != nullptr && Fits(*next)) Start(queue.Take(now));
//   queue.Charge("a", 512);
#ifndef COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_
#define COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
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
    tenant.waiting.push_back({std::move(item), ticket.priority, ticket.arrived, next_number_++});
    ++size_;
  }

  // The item that Take would give; null when there is none. Valid until the next call.
  Item* Next(absl::Time now) {
    const Place place = Find(now);
    return place.tenant == tenants_.end() ? nullptr : &place.tenant->second.waiting[place.at].item;
  }
  // Requires that there is one. From here on its tenant counts as active until Leave.
  Item Take(absl::Time now) {
    const Place place = Find(now);
    CHECK(place.tenant != tenants_.end()) << "nothing waits";
    Tenant& tenant = place.tenant->second;
    Item item = std::move(tenant.waiting[place.at].item);
    tenant.waiting.erase(tenant.waiting.begin() + static_cast<std::ptrdiff_t>(place.at));
    ++tenant.num_running;
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

  // leaves(item): true for one that goes away unserved.
  template <typename Leaves>
  void RemoveIf(Leaves leaves) {
    for (auto& [name, tenant] : tenants_) {
      const size_t before = tenant.waiting.size();
      std::erase_if(tenant.waiting, [&](Entry& entry) { return leaves(entry.item); });
      size_ -= before - tenant.waiting.size();
    }
    Forget();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t num_tenants() const { return tenants_.size(); }

 private:
  struct Entry {
    Item item;
    int priority;
    absl::Time arrived;
    uint64_t number;  // order of arrival
  };
  struct Tenant {
    double served = 0;  // tokens over weight
    int64_t num_running = 0;
    std::deque<Entry> waiting;
  };
  using Tenants = std::map<std::string, Tenant>;
  struct Place {
    typename Tenants::iterator tenant;
    size_t at = 0;
  };

  Tenant& TenantOf(const std::string& name) { return tenants_[name]; }
  double WeightOf(const std::string& name) const {
    const auto found = options_.weights.find(name);
    return found == options_.weights.end() ? 1 : found->second;
  }

  // The fewest served tokens of a tenant that waits or runs; 0 when none does.
  double LeastServedActive() const {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [name, tenant] : tenants_) {
      if (!tenant.waiting.empty() || tenant.num_running > 0) least = std::min(least, tenant.served);
    }
    return least == std::numeric_limits<double>::infinity() ? 0 : least;
  }

  Place Find(absl::Time now) {
    Place best{tenants_.end()};
    for (auto tenant = tenants_.begin(); tenant != tenants_.end(); ++tenant) {
      for (size_t at = 0; at < tenant->second.waiting.size(); ++at) {
        const Place place{tenant, at};
        if (best.tenant == tenants_.end() || GoesBefore(place, best, now)) best = place;
      }
    }
    return best;
  }

  bool GoesBefore(const Place& a, const Place& b, absl::Time now) const {
    const Entry &x = a.tenant->second.waiting[a.at], &y = b.tenant->second.waiting[b.at];
    const bool x_late = now - x.arrived >= options_.promote_after,
               y_late = now - y.arrived >= options_.promote_after;
    if (x_late != y_late) return x_late;
    if (x_late) return x.number < y.number;
    if (x.priority != y.priority) return x.priority > y.priority;
    if (a.tenant != b.tenant && a.tenant->second.served != b.tenant->second.served)
      return a.tenant->second.served < b.tenant->second.served;
    return x.number < y.number;
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
  Tenants tenants_;
  size_t size_ = 0;
  uint64_t next_number_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_SCHEDULER_FAIR_QUEUE_H_
