// GrammarProgram: a grammar as the automaton runs it, a recursive transition network over bytes and
// control tokens.
#ifndef COTERIE_ROUTER_GRAMMAR_GRAMMAR_PROGRAM_H_
#define COTERIE_ROUTER_GRAMMAR_GRAMMAR_PROGRAM_H_

#include <cstdint>
#include <span>
#include <vector>

#include "router/grammar/value_syntax.h"

namespace coterie {

// Values nested deeper are not generated: readers refuse them (kChatDepthMax is 64), and without a
// bound a model can open brackets for ever. Whatever has been begun can be ended within it, because
// every rule knows how deep it must go at least.
inline constexpr int kGrammarDepthMax = 48;

// A node is a place between two symbols. Beside its node, a place has a number, `aux`, that counts
// within the rule: the string's characters, the array's items, the object's properties. A rule
// begins with 0.
struct GrammarNode {
  enum class Kind : uint8_t {
    kBytes,        // one of the edges [begin, end), aux stays
    kSplit,        // any of the targets [begin, end)
    kCall,         // rule `a`, then next; a level deeper if `b` is 1
    kReturn,       // end of the rule
    kControl,      // a token of control set `a`, then next
    kString,       // characters of string `a`, and unless they are without one, its end; then next
    kObjectKeys,   // a key of object `a`; with `b` 1, or its end
    kObjectRest,   // after a property of object `a`
    kPropertyEnd,  // property `b` of object `a` has its value; b < 0: one that is not declared
    kArrayFirst,   // an item of array `a`, or its end
    kArrayItem,    // an item
    kArrayRest,    // after an item
    kFinished,     // nothing may come
    kFree,         // anything may come, and this grammar has no say any longer
  };
  Kind kind = Kind::kFinished;
  int32_t next = -1;
  int32_t a = 0, b = 0;
  int32_t begin = 0, end = 0;
};

struct GrammarEdge {
  uint8_t lo = 0, hi = 0;
  int32_t target = -1;
};

struct GrammarRule {
  int32_t start = -1;
  int height = 0;  // levels that it needs at least below its own
};

struct GrammarString {
  ValueSyntax syntax = ValueSyntax::kJson;
  int64_t min_chars = 0, max_chars = -1;  // -1: no end
  bool escapes = true;                    // of JSON
  int32_t end_control = -1;               // control set that ends it; -1: the byte "
};

struct GrammarProperty {
  int32_t key = -1;   // node: the key, the colon, the value
  int32_t rule = -1;  // of the value
  bool required = false;
};

// Which properties are available is in aux. In order: the first one that may come next. In any
// order (64 properties at most): a bit for each that has been.
struct GrammarObject {
  std::vector<GrammarProperty> properties;
  bool any_order = false;
  int32_t additional_key = -1, additional_rule = -1;  // properties that are not declared
  int32_t comma = -1, close = -1;                     // nodes
  int32_t first_close = -1;                           // of an empty object
};

struct GrammarArray {
  std::vector<int32_t> prefix;  // rules
  int32_t items = -1;           // rule of all others; -1: there are none
  int64_t min = 0, max = -1;    // -1: no end
  int32_t after = -1;           // node that an item returns to
  int32_t comma = -1, close = -1, first_close = -1;
};

// Const once built; thread-safe.
struct GrammarProgram {
  std::vector<GrammarNode> nodes;
  std::vector<GrammarEdge> edges;
  std::vector<int32_t> targets;
  std::vector<GrammarRule> rules;
  std::vector<GrammarString> strings;
  std::vector<GrammarObject> objects;
  std::vector<GrammarArray> arrays;
  std::vector<std::vector<int32_t>> controls;  // sets of tokens

  std::span<const GrammarEdge> EdgesOf(const GrammarNode& node) const {
    return std::span<const GrammarEdge>(edges).subspan(node.begin, node.end - node.begin);
  }
  std::span<const int32_t> TargetsOf(const GrammarNode& node) const {
    return std::span<const int32_t>(targets).subspan(node.begin, node.end - node.begin);
  }
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_GRAMMAR_PROGRAM_H_
