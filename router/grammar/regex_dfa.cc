#include "router/grammar/regex_dfa.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/regex_ast.h"

namespace coterie {
namespace {

constexpr int kNfaNodesMax = 20000;
constexpr int64_t kWorkMax = 4000000;  // NFA nodes looked at while sets of them are made

// Thompson's construction. Anchors are edges that only the first and the last position let through;
// what is found anywhere is surrounded by any text.
class Nfa {
 public:
  enum class Gate { kOpen, kBegin, kEnd };
  struct Node {
    CharSet set;  // to `next`, when it is not empty
    int32_t next = -1;
    std::vector<int32_t> free;  // without a character
    Gate gate = Gate::kOpen;    // of the free edges
  };

  int32_t Add() {
    nodes_.emplace_back();
    return static_cast<int32_t>(nodes_.size()) - 1;
  }
  Node& node(int32_t i) { return nodes_[i]; }
  const Node& node(int32_t i) const { return nodes_[i]; }

  // A way through `regex` from `from`; returns where it ends.
  absl::StatusOr<int32_t> Append(const RegexNode& regex, int32_t from) {
    if (static_cast<int>(nodes_.size()) > kNfaNodesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("it needs more than ", kNfaNodesMax, " nodes: simplify it"));
    }
    switch (regex.kind) {
      case RegexNode::Kind::kSet: {
        const int32_t to = Add();
        nodes_[from].set = regex.set;
        nodes_[from].next = to;
        return to;
      }
      case RegexNode::Kind::kList:
        for (const RegexNode& part : regex.parts) {
          ASSIGN_OR_RETURN(from, Append(part, from));
        }
        return from;
      case RegexNode::Kind::kChoice:
        return AppendChoice(regex, from);
      case RegexNode::Kind::kRepeat:
        return AppendRepeat(regex, from);
      case RegexNode::Kind::kBegin:
      case RegexNode::Kind::kEnd: {
        const int32_t gate = Free(from), to = Free(gate);
        nodes_[gate].gate = regex.kind == RegexNode::Kind::kBegin ? Gate::kBegin : Gate::kEnd;
        return to;
      }
    }
    return from;
  }

  // A new node behind `from`.
  int32_t Free(int32_t from) {
    const int32_t to = Add();
    nodes_[from].free.push_back(to);
    return to;
  }

 private:
  absl::StatusOr<int32_t> AppendChoice(const RegexNode& regex, int32_t from) {
    const int32_t to = Add();
    for (const RegexNode& part : regex.parts) {
      ASSIGN_OR_RETURN(const int32_t end, Append(part, Free(from)));
      nodes_[end].free.push_back(to);
    }
    return to;
  }

  absl::StatusOr<int32_t> AppendRepeat(const RegexNode& regex, int32_t from) {
    for (int i = 0; i < regex.min; ++i) {
      ASSIGN_OR_RETURN(from, Append(regex.parts[0], Free(from)));
    }
    if (regex.max < 0) {
      const int32_t loop = Free(from);
      ASSIGN_OR_RETURN(const int32_t end, Append(regex.parts[0], Free(loop)));
      nodes_[end].free.push_back(loop);
      return Free(loop);
    }
    const int32_t to = Add();
    for (int i = regex.min; i < regex.max; ++i) {
      nodes_[from].free.push_back(to);
      ASSIGN_OR_RETURN(from, Append(regex.parts[0], Free(from)));
    }
    nodes_[from].free.push_back(to);
    return to;
  }

  std::vector<Node> nodes_;
};

class Determiner {
 public:
  Determiner(const Nfa& nfa, int32_t first, int32_t last) : nfa_(nfa), last_(last) {
    StateOf({first}, /*at_begin=*/true);
  }

  absl::StatusOr<CharDfa> Run() {
    for (size_t i = 0; i < sets_.size(); ++i) {
      Expand(i);
      if (work_ > kWorkMax || static_cast<int>(sets_.size()) > kCharStatesMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("it needs more than ", kCharStatesMax, " states: simplify it"));
      }
    }
    return Pruned(dfa_);
  }

 private:
  std::vector<int32_t> Closure(std::vector<int32_t> nodes, bool at_begin, bool at_end) {
    std::set<int32_t> seen(nodes.begin(), nodes.end());
    while (!nodes.empty()) {
      const Nfa::Node& node = nfa_.node(nodes.back());
      nodes.pop_back();
      ++work_;
      if (node.gate == Nfa::Gate::kBegin && !at_begin) continue;
      if (node.gate == Nfa::Gate::kEnd && !at_end) continue;
      for (int32_t next : node.free) {
        if (seen.insert(next).second) nodes.push_back(next);
      }
    }
    return std::vector<int32_t>(seen.begin(), seen.end());
  }

  int32_t StateOf(const std::vector<int32_t>& nodes, bool at_begin) {
    std::vector<int32_t> set = Closure(nodes, at_begin, /*at_end=*/false);
    const auto [found, added] =
        ids_.try_emplace({at_begin, set}, static_cast<int32_t>(sets_.size()));
    if (!added) return found->second;
    const std::vector<int32_t> at_end = Closure(set, at_begin, /*at_end=*/true);
    dfa_.states.emplace_back().accepts = std::binary_search(at_end.begin(), at_end.end(), last_);
    sets_.push_back(std::move(set));
    return found->second;
  }

  void Expand(size_t state) {
    std::set<uint32_t> cuts;  // where the answer may change
    for (int32_t i : sets_[state]) {
      for (const CharRange& range : nfa_.node(i).set) {
        cuts.insert(range.lo);
        cuts.insert(range.hi + 1);
      }
    }
    std::vector<CharEdge> edges;
    for (auto cut = cuts.begin(); cut != cuts.end(); ++cut) {
      const std::vector<int32_t> targets = Targets(state, *cut);
      if (targets.empty()) continue;
      const int32_t target = StateOf(targets, /*at_begin=*/false);
      const uint32_t hi = *std::next(cut) - 1;
      if (!edges.empty() && edges.back().target == target && edges.back().hi + 1 == *cut) {
        edges.back().hi = hi;
      } else {
        edges.push_back({*cut, hi, target});
      }
      if (work_ > kWorkMax) return;
    }
    dfa_.states[state].edges = std::move(edges);
  }

  std::vector<int32_t> Targets(size_t state, uint32_t c) {
    std::vector<int32_t> targets;
    for (int32_t i : sets_[state]) {
      const Nfa::Node& node = nfa_.node(i);
      ++work_;
      const auto range =
          std::lower_bound(node.set.begin(), node.set.end(), c,
                           [](const CharRange& r, uint32_t value) { return r.hi < value; });
      if (range != node.set.end() && range->lo <= c) targets.push_back(node.next);
    }
    return targets;
  }

  const Nfa& nfa_;
  const int32_t last_;
  CharDfa dfa_;
  std::map<std::pair<bool, std::vector<int32_t>>, int32_t> ids_;
  std::vector<std::vector<int32_t>> sets_;  // [num_states] NFA nodes
  int64_t work_ = 0;
};

// A loop of any text.
int32_t AppendAnyText(Nfa* nfa, int32_t from) {
  const int32_t loop = nfa->Free(from);
  nfa->node(loop).set = AllChars();
  nfa->node(loop).next = loop;
  return nfa->Free(loop);
}

}  // namespace

absl::StatusOr<CharDfa> RegexDfa(absl::string_view pattern) {
  ASSIGN_OR_RETURN(const RegexNode regex, ParseRegex(pattern));
  Nfa nfa;
  const int32_t first = nfa.Add();
  ASSIGN_OR_RETURN(const int32_t end, nfa.Append(regex, AppendAnyText(&nfa, first)));
  const int32_t last = AppendAnyText(&nfa, end);
  return Determiner(nfa, first, last).Run();
}

absl::string_view FormatPattern(absl::string_view format) {
#define DATE                                                                                \
  "[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]" \
  "\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))"
#define TIME \
  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define HOST                                                                                       \
  "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9]" \
  ")?){"
  static const auto* const patterns = new std::map<absl::string_view, absl::string_view>{
      {"date", "^" DATE "$"},
      {"time", "^" TIME "$"},
      {"date-time", "^" DATE "T" TIME "$"},
      {"duration",
       "^P(?:\\d{1,6}W|\\d{1,6}D(?:T\\d{1,6}[HMS])?|\\d{1,6}Y(?:\\d{1,6}M(?:\\d{1,6}D)?)?|\\d{1,6}"
       "M(?:\\d{1,6}D)?|T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}"
       "S))$"},
      {"email", "^[A-Za-z0-9_%+-]+(?:\\.[A-Za-z0-9_%+-]+)*@" HOST "1,4}$"},
      {"hostname", "^" HOST "0,4}$"},
      {"ipv4", "^(?:" OCTET "\\.){3}" OCTET "$"},
      {"ipv6", "^(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}$"},
      {"uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"},
      {"uri",
       "^[a-z][a-z0-9+.-]{1,15}://" HOST "0,4}(?::\\d{1,4})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*$"},
  };
#undef DATE
#undef TIME
#undef OCTET
#undef HOST
  const auto found = patterns->find(format);
  return found == patterns->end() ? absl::string_view() : found->second;
}

}  // namespace coterie
