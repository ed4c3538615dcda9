// ProgramBuilder: puts a GrammarProgram together, from its ends to its beginnings.
#ifndef COTERIE_ROUTER_GRAMMAR_PROGRAM_BUILDER_H_
#define COTERIE_ROUTER_GRAMMAR_PROGRAM_BUILDER_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "router/grammar/char_dfa.h"
#include "router/grammar/grammar_program.h"

namespace coterie {

// More nodes or edges than these are too many: some 10 MB.
inline constexpr int64_t kProgramNodesMax = 200000;
inline constexpr int64_t kProgramEdgesMax = 800000;

// Thread-compatible. Most functions add nodes in front of a node `next`, and return the first of
// them.
class ProgramBuilder {
 public:
  // quote: the control token around strings in calls; -1 when there is none.
  explicit ProgramBuilder(int32_t quote);

  // True when the program has grown beyond the limits: whoever adds in a loop asks and gives up.
  bool TooLarge() const;

  // A node whose content comes later, for loops.
  int32_t Reserve() { return Add({}); }
  int32_t Add(const GrammarNode& node);
  void Put(int32_t at, const GrammarNode& node) { program_.nodes[at] = node; }

  int32_t Bytes(const std::vector<GrammarEdge>& edges);
  int32_t Split(const std::vector<int32_t>& targets);
  void PutSplit(int32_t at, const std::vector<int32_t>& targets);
  int32_t Text(absl::string_view text, int32_t next);
  int32_t Control(std::vector<int32_t> tokens, int32_t next);
  int32_t Call(int32_t rule, bool deeper, int32_t next);
  int32_t Return() { return return_; }
  // JSON's white space: nothing, a space, or a new line with its indentation.
  int32_t Space(int32_t next) { return Call(space_rule_, /*deeper=*/false, next); }

  // A rule whose start comes later.
  int32_t AddRule(int height);
  void SetStart(int32_t rule, int32_t start) { program_.rules[rule].start = start; }

  // What stands around a string.
  int32_t OpenString(ValueSyntax syntax, int32_t next);
  int32_t CloseString(ValueSyntax syntax, int32_t next);
  // Characters as `string` says, and its end.
  int32_t StringBody(GrammarString string, int32_t next);
  // The texts of `dfa`, then `end`. In JSON what must be escaped is, and nothing else.
  int32_t Chars(const CharDfa& dfa, ValueSyntax syntax, int32_t end);
  // The same, but where anything may come, `free` takes over.
  int32_t Chars(const CharDfa& dfa, ValueSyntax syntax, int32_t end, int32_t free);

  GrammarProgram& program() { return program_; }
  int32_t quote_set() const { return quote_set_; }

 private:
  void AddCharEdges(CharRange range, ValueSyntax syntax, int32_t target,
                    std::vector<GrammarEdge>* edges);
  void AddUtf8Edges(CharRange range, int32_t target, std::vector<GrammarEdge>* edges);
  int32_t Range(uint8_t lo, uint8_t hi, int32_t target);

  GrammarProgram program_;
  int32_t return_ = -1, space_rule_ = -1, quote_set_ = -1;
  std::map<std::pair<uint32_t, int32_t>, int32_t> ranges_;  // (lo, hi), target → node
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_PROGRAM_BUILDER_H_
