#include "router/grammar/char_dfa.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

absl::Status TooManyStates() {
  return absl::InvalidArgumentError(
      absl::StrCat("it needs more than ", kCharStatesMax, " states: simplify it"));
}

// Finds the numbers of states that are pairs, and what is left to expand.
class Pairs {
 public:
  explicit Pairs(CharDfa* dfa) : dfa_(dfa) {}

  int32_t Of(int64_t a, int64_t b) {
    const auto [found, added] = ids_.try_emplace({a, b}, static_cast<int32_t>(dfa_->states.size()));
    if (added) {
      dfa_->states.emplace_back();
      pairs_.emplace_back(a, b);
    }
    return found->second;
  }
  std::optional<std::pair<int64_t, int64_t>> Next() {
    if (next_ == pairs_.size()) return std::nullopt;
    return pairs_[next_++];
  }
  // Of the pair that Next gave.
  CharState& state() { return dfa_->states[next_ - 1]; }
  bool TooMany() const { return static_cast<int>(pairs_.size()) > kCharStatesMax; }

 private:
  CharDfa* const dfa_;
  std::map<std::pair<int64_t, int64_t>, int32_t> ids_;
  std::vector<std::pair<int64_t, int64_t>> pairs_;
  size_t next_ = 0;
};

}  // namespace

bool CharDfa::Matches(absl::string_view text) const {
  if (states.empty()) return false;
  int32_t state = 0;
  while (!text.empty()) {
    const std::optional<uint32_t> taken = TakeChar(&text);
    if (!taken) return false;
    const uint32_t c = *taken;
    const auto& edges = states[state].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(),
                                   [c](const CharEdge& e) { return e.lo <= c && c <= e.hi; });
    if (edge == edges.end()) return false;
    state = edge->target;
  }
  return states[state].accepts;
}

bool CharDfa::IsFree(int32_t state) const {
  const CharState& s = states[state];
  const CharSet all = AllChars();
  std::vector<CharRange> ranges;
  for (const CharEdge& edge : s.edges) {
    if (edge.target != state) return false;
    ranges.push_back({edge.lo, edge.hi});
  }
  const CharSet set = MakeCharSet(std::move(ranges));
  return s.accepts && std::equal(set.begin(), set.end(), all.begin(), all.end(),
                                 [](const CharRange& a, const CharRange& b) {
                                   return a.lo == b.lo && a.hi == b.hi;
                                 });
}

CharDfa Pruned(const CharDfa& dfa) {
  const size_t n = dfa.states.size();
  std::vector<std::vector<int32_t>> sources(n);
  std::vector<int32_t> alive;
  std::vector<bool> lives(n, false);
  for (size_t i = 0; i < n; ++i) {
    for (const CharEdge& edge : dfa.states[i].edges) {
      sources[edge.target].push_back(static_cast<int32_t>(i));
    }
    if (dfa.states[i].accepts) {
      lives[i] = true;
      alive.push_back(static_cast<int32_t>(i));
    }
  }
  for (size_t i = 0; i < alive.size(); ++i) {
    for (int32_t source : sources[alive[i]]) {
      if (lives[source]) continue;
      lives[source] = true;
      alive.push_back(source);
    }
  }
  CharDfa pruned;
  if (n == 0 || !lives[0]) return pruned;
  std::vector<int32_t> ids(n, -1);
  int32_t num_alive = 0;
  for (size_t i = 0; i < n; ++i) {
    if (lives[i]) ids[i] = num_alive++;
  }
  for (size_t i = 0; i < n; ++i) {
    if (!lives[i]) continue;
    CharState& state = pruned.states.emplace_back();
    state.accepts = dfa.states[i].accepts;
    for (const CharEdge& edge : dfa.states[i].edges) {
      if (lives[edge.target]) state.edges.push_back({edge.lo, edge.hi, ids[edge.target]});
    }
  }
  return pruned;
}

absl::StatusOr<CharDfa> Intersection(const CharDfa& a, const CharDfa& b) {
  CharDfa dfa;
  if (a.states.empty() || b.states.empty()) return dfa;
  Pairs pairs(&dfa);
  pairs.Of(0, 0);
  while (const auto pair = pairs.Next()) {
    const CharState &in_a = a.states[pair->first], &in_b = b.states[pair->second];
    std::vector<CharEdge> edges;
    for (const CharEdge& x : in_a.edges) {
      for (const CharEdge& y : in_b.edges) {
        const uint32_t lo = std::max(x.lo, y.lo), hi = std::min(x.hi, y.hi);
        if (lo <= hi) edges.push_back({lo, hi, pairs.Of(x.target, y.target)});
      }
    }
    std::sort(edges.begin(), edges.end(),
              [](const CharEdge& x, const CharEdge& y) { return x.lo < y.lo; });
    pairs.state() = {std::move(edges), in_a.accepts && in_b.accepts};
    if (pairs.TooMany()) return TooManyStates();
  }
  return Pruned(dfa);
}

absl::StatusOr<CharDfa> WithLength(const CharDfa& dfa, int64_t min, int64_t max) {
  CharDfa counted;
  if (dfa.states.empty()) return counted;
  if (min <= 0 && max < 0) return dfa;
  Pairs pairs(&counted);
  pairs.Of(0, 0);
  while (const auto pair = pairs.Next()) {
    const auto [state, count] = *pair;
    std::vector<CharEdge> edges;
    if (max < 0 || count < max) {
      // Without a maximum there is nothing to tell apart beyond the minimum.
      const int64_t next = max < 0 ? std::min(count + 1, min) : count + 1;
      for (const CharEdge& edge : dfa.states[state].edges) {
        edges.push_back({edge.lo, edge.hi, pairs.Of(edge.target, next)});
      }
    }
    pairs.state() = {std::move(edges), dfa.states[state].accepts && count >= min};
    if (pairs.TooMany()) return TooManyStates();
  }
  return Pruned(counted);
}

CharDfa NoneOf(const std::vector<std::string>& names, const CharSet& first, const CharSet& rest,
               const CharSet& not_last) {
  // States 1 and 2 are off every name: after a character that may be the last, and one that may
  // not.
  CharDfa dfa;
  dfa.states.resize(3);
  std::vector<std::map<uint32_t, int32_t>> children(3);
  std::vector<bool> is_name(3, false), ends_badly = {true, false, true};
  for (absl::string_view name : names) {
    int32_t state = 0;
    while (!name.empty()) {
      const std::optional<uint32_t> taken = TakeChar(&name);
      if (!taken) break;  // names are UTF-8
      const uint32_t c = *taken;
      const auto [child, added] =
          children[state].try_emplace(c, static_cast<int32_t>(children.size()));
      state = child->second;
      if (!added) continue;
      children.emplace_back();
      is_name.push_back(false);
      ends_badly.push_back(!Common(not_last, {{c, c}}).empty());
    }
    is_name[state] = true;
  }
  dfa.states.resize(children.size());
  for (size_t i = 0; i < children.size(); ++i) {
    const CharSet& may_come = i == 0 ? first : rest;
    CharSet on_names;
    std::vector<CharEdge> edges;
    for (const auto& [c, child] : children[i]) {
      on_names.push_back({c, c});
      if (!Common(may_come, {{c, c}}).empty()) edges.push_back({c, c, child});
    }
    const CharSet off = Without(may_come, on_names);
    for (const CharRange& r : Without(off, not_last)) edges.push_back({r.lo, r.hi, 1});
    for (const CharRange& r : Common(off, not_last)) edges.push_back({r.lo, r.hi, 2});
    std::sort(edges.begin(), edges.end(),
              [](const CharEdge& x, const CharEdge& y) { return x.lo < y.lo; });
    dfa.states[i] = {std::move(edges), !is_name[i] && !ends_badly[i]};
  }
  return Pruned(dfa);
}

}  // namespace coterie
