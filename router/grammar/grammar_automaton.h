// GrammarAutomaton: runs a GrammarProgram, byte by byte and control token by control token.
#ifndef COTERIE_ROUTER_GRAMMAR_GRAMMAR_AUTOMATON_H_
#define COTERIE_ROUTER_GRAMMAR_GRAMMAR_AUTOMATON_H_

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "router/grammar/grammar_program.h"

namespace coterie {

// A state is a set of places, each with its stack of rules to return to: all the ways in which what
// was read so far can be the beginning of the language. States are found as they are needed, given
// numbers, and their successors remembered, so that after a while a byte costs one look-up.
//
// Guarantees: every state reaches an end, by bytes and control tokens of the program. A state has
// kPlacesMax places at most: of a grammar with more readings the first ones count, so that what is
// generated still conforms.
//
// Thread-compatible; one for each sequence.
class GrammarAutomaton {
 public:
  static constexpr int32_t kDead = -1;
  static constexpr size_t kPlacesMax = 2048;

  // `program` is not owned, outlives this.
  explicit GrammarAutomaton(const GrammarProgram* program) : program_(*program) {}

  // The state at a node outside of any rule.
  int32_t StateAt(int32_t node);
  // kDead when nothing goes on so.
  int32_t AfterByte(int32_t state, uint8_t byte) {
    const int32_t next = next_[static_cast<size_t>(state) << 8 | byte];
    return next != kUnknown ? next : ComputeAfterByte(state, byte);
  }
  int32_t AfterControl(int32_t state, int32_t token);

  // What may come beside bytes. Pointers into the program.
  void AppendControls(int32_t state, std::vector<int32_t>* tokens) const;
  bool HasFree(int32_t state) const { return Has(state, GrammarNode::Kind::kFree); }

  // The places that are between two characters of a string.
  struct Strings {
    int64_t json_chars = -1, call_chars = -1;  // that the longest may still have; -1: no such place
    bool only_json = true, only_call = true;   // there is no other place
  };
  const Strings& StringsOf(int32_t state) const { return strings_[state]; }

  // Work done to find states, in places looked at.
  int64_t work() const { return work_; }
  int64_t num_states() const { return static_cast<int64_t>(states_.size()); }

  // Forgets all states but `state`, which has another number afterwards: that is returned.
  int32_t Restart(int32_t state);

 private:
  static constexpr int32_t kUnknown = -2;

  struct Place {
    int32_t node = 0;
    int32_t stack = -1;  // of frames_; -1: none
    int64_t aux = 0;
    auto Key() const { return std::tie(node, stack, aux); }
    bool operator<(const Place& other) const { return Key() < other.Key(); }
    bool operator==(const Place& other) const { return Key() == other.Key(); }
    template <typename H>
    friend H AbslHashValue(H hash, const Place& place) {
      return H::combine(std::move(hash), place.node, place.stack, place.aux);
    }
  };
  // Where a rule returns to.
  struct Frame {
    int32_t node = 0;
    int32_t below = -1;
    int64_t aux = 0;
    int32_t depth = 0;
    bool operator==(const Frame& other) const {
      return node == other.node && below == other.below && aux == other.aux;
    }
    template <typename H>
    friend H AbslHashValue(H hash, const Frame& frame) {
      return H::combine(std::move(hash), frame.node, frame.below, frame.aux);
    }
  };

  bool Has(int32_t state, GrammarNode::Kind kind) const;
  int32_t Depth(int32_t stack) const { return stack < 0 ? 0 : frames_[stack].depth; }
  bool Fits(int32_t rule, int32_t stack) const;
  int32_t Push(int32_t node, int64_t aux, int32_t below, int32_t depth);

  int32_t ComputeAfterByte(int32_t state, uint8_t byte);
  // The state of `pending_` and all that they lead to without a symbol.
  int32_t Close();
  void Expand(const Place& place);
  void ExpandReturn(const Place& place);
  void ExpandCall(const Place& place, const GrammarNode& node);
  void ExpandObject(const Place& place, const GrammarNode& node);
  void ExpandKeys(const Place& place, const GrammarObject& object, bool only_ask, bool* any);
  void ExpandPropertyEnd(const Place& place, const GrammarNode& node);
  void ExpandArray(const Place& place, const GrammarNode& node);
  bool MayClose(const GrammarObject& object, int64_t aux) const;
  void Step(const Place& place, uint8_t byte);
  void StepString(const Place& place, const GrammarNode& node, uint8_t byte);
  Strings Summary(const std::vector<Place>& places) const;

  const GrammarProgram& program_;
  using Places = std::vector<Place>;  // sorted; only those that a symbol leads on from
  absl::node_hash_map<Places, int32_t> ids_;
  // By state.
  std::vector<const Places*> states_;  // keys of ids_
  std::vector<int32_t> next_;          // [num_states][256]
  std::vector<Strings> strings_;
  std::vector<Frame> frames_;
  absl::flat_hash_map<Frame, int32_t> frame_ids_;
  std::vector<Place> pending_;  // between Step and Close
  int64_t work_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_GRAMMAR_AUTOMATON_H_
