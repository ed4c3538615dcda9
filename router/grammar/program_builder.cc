#include "router/grammar/program_builder.h"

#include <algorithm>
#include <span>
#include <string>

#include "model/call_arguments.h"

namespace coterie {
namespace {

using Kind = GrammarNode::Kind;

// Twenty levels of two spaces, and some more: what models write. A longer one would only help a
// model that writes nothing else.
constexpr int kIndentSpacesMax = 48;

}  // namespace

ProgramBuilder::ProgramBuilder(int32_t quote) {
  return_ = Add({.kind = Kind::kReturn});
  if (quote >= 0) {
    quote_set_ = 0;
    program_.controls.push_back({quote});
  }
  int32_t indent = return_;
  for (int i = 0; i < kIndentSpacesMax; ++i) indent = Split({return_, Bytes({{' ', ' ', indent}})});
  space_rule_ = AddRule(0);
  SetStart(space_rule_, Split({return_, Bytes({{' ', ' ', return_}, {'\n', '\n', indent}})}));
}

bool ProgramBuilder::TooLarge() const {
  return static_cast<int64_t>(program_.nodes.size()) > kProgramNodesMax ||
         static_cast<int64_t>(program_.edges.size() + program_.targets.size()) > kProgramEdgesMax;
}

int32_t ProgramBuilder::Add(const GrammarNode& node) {
  program_.nodes.push_back(node);
  return static_cast<int32_t>(program_.nodes.size()) - 1;
}

int32_t ProgramBuilder::Bytes(const std::vector<GrammarEdge>& edges) {
  GrammarNode node = {.kind = Kind::kBytes};
  node.begin = static_cast<int32_t>(program_.edges.size());
  program_.edges.insert(program_.edges.end(), edges.begin(), edges.end());
  node.end = static_cast<int32_t>(program_.edges.size());
  return Add(node);
}

int32_t ProgramBuilder::Split(const std::vector<int32_t>& targets) {
  const int32_t at = Reserve();
  PutSplit(at, targets);
  return at;
}

void ProgramBuilder::PutSplit(int32_t at, const std::vector<int32_t>& targets) {
  GrammarNode node = {.kind = Kind::kSplit};
  node.begin = static_cast<int32_t>(program_.targets.size());
  program_.targets.insert(program_.targets.end(), targets.begin(), targets.end());
  node.end = static_cast<int32_t>(program_.targets.size());
  Put(at, node);
}

int32_t ProgramBuilder::Text(absl::string_view text, int32_t next) {
  for (size_t i = text.size(); i-- > 0;) {
    const auto byte = static_cast<uint8_t>(text[i]);
    next = Bytes({{byte, byte, next}});
  }
  return next;
}

int32_t ProgramBuilder::Control(std::vector<int32_t> tokens, int32_t next) {
  program_.controls.push_back(std::move(tokens));
  return Add({.kind = Kind::kControl,
              .next = next,
              .a = static_cast<int32_t>(program_.controls.size()) - 1});
}

int32_t ProgramBuilder::Call(int32_t rule, bool deeper, int32_t next) {
  return Add({.kind = Kind::kCall, .next = next, .a = rule, .b = deeper ? 1 : 0});
}

int32_t ProgramBuilder::AddRule(int height) {
  program_.rules.push_back({-1, height});
  return static_cast<int32_t>(program_.rules.size()) - 1;
}

int32_t ProgramBuilder::OpenString(ValueSyntax syntax, int32_t next) {
  if (syntax == ValueSyntax::kJson) return Text("\"", next);
  return Add({.kind = Kind::kControl, .next = next, .a = quote_set_});
}

int32_t ProgramBuilder::CloseString(ValueSyntax syntax, int32_t next) {
  return OpenString(syntax, next);
}

int32_t ProgramBuilder::StringBody(GrammarString string, int32_t next) {
  string.end_control = string.syntax == ValueSyntax::kCall ? quote_set_ : -1;
  program_.strings.push_back(string);
  return Add({.kind = Kind::kString,
              .next = next,
              .a = static_cast<int32_t>(program_.strings.size()) - 1});
}

int32_t ProgramBuilder::Chars(const CharDfa& dfa, ValueSyntax syntax, int32_t end) {
  return Chars(dfa, syntax, end, -1);
}

int32_t ProgramBuilder::Chars(const CharDfa& dfa, ValueSyntax syntax, int32_t end, int32_t free) {
  std::vector<int32_t> nodes(dfa.states.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool is_free = free >= 0 && dfa.IsFree(static_cast<int32_t>(i));
    nodes[i] = is_free ? free : Reserve();
  }
  for (size_t i = 0; i < nodes.size() && !TooLarge(); ++i) {
    if (nodes[i] == free) continue;
    std::vector<GrammarEdge> edges;
    for (const CharEdge& edge : dfa.states[i].edges) {
      AddCharEdges({edge.lo, edge.hi}, syntax, nodes[edge.target], &edges);
    }
    std::vector<int32_t> targets = {Bytes(edges)};
    if (dfa.states[i].accepts) targets.push_back(end);
    PutSplit(nodes[i], targets);
  }
  return nodes[0];
}

void ProgramBuilder::AddCharEdges(CharRange range, ValueSyntax syntax, int32_t target,
                                  std::vector<GrammarEdge>* edges) {
  if (syntax == ValueSyntax::kCall) {
    AddUtf8Edges(range, target, edges);
    return;
  }
  for (uint32_t c = range.lo; c <= range.hi && c < 0x80; ++c) {
    const char letter = static_cast<char>(c);
    std::string escaped;
    AppendJsonEscaped(absl::string_view(&letter, 1), &escaped);
    if (escaped.size() == 1) continue;
    edges->push_back({static_cast<uint8_t>('\\'), static_cast<uint8_t>('\\'),
                      Text(absl::string_view(escaped).substr(1), target)});
  }
  const CharSet plain = Without({range}, {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  for (const CharRange& part : plain) AddUtf8Edges(part, target, edges);
}

void ProgramBuilder::AddUtf8Edges(CharRange range, int32_t target,
                                  std::vector<GrammarEdge>* edges) {
  ForEachUtf8Sequence(range, [&](std::span<const ByteRange> bytes) {
    int32_t next = target;
    for (size_t i = bytes.size() - 1; i > 0; --i) next = Range(bytes[i].lo, bytes[i].hi, next);
    edges->push_back({bytes[0].lo, bytes[0].hi, next});
  });
}

// Shared: negated classes have many characters that end in the same way.
int32_t ProgramBuilder::Range(uint8_t lo, uint8_t hi, int32_t target) {
  const auto [node, added] = ranges_.try_emplace({static_cast<uint32_t>(lo) << 8 | hi, target}, -1);
  if (added) node->second = Bytes({{lo, hi, target}});
  return node->second;
}

}  // namespace coterie
