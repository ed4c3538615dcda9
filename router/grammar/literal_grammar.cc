#include "router/grammar/literal_grammar.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/call_arguments.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

// Bytes, and the quote token.
using Symbols = std::vector<uint16_t>;
constexpr uint16_t kQuoteSymbol = 256;

void AppendText(absl::string_view text, Symbols* symbols) {
  for (char c : text) symbols->push_back(static_cast<uint8_t>(c));
}

// Scalars are written alike in both, but for strings.
absl::Status Append(const ChatJson& value, ValueSyntax syntax, Symbols* symbols) {
  const bool json = syntax == ValueSyntax::kJson;
  const auto append_string = [&](const std::string& text) {
    std::string escaped;
    AppendJsonEscaped(text, &escaped);
    symbols->push_back(json ? '"' : kQuoteSymbol);
    AppendText(json ? escaped : text, symbols);
    symbols->push_back(json ? '"' : kQuoteSymbol);
  };
  absl::string_view separator;
  if (value.is_string()) {
    append_string(value.get_ref<const std::string&>());
  } else if (value.is_object()) {
    AppendText("{", symbols);
    for (const auto& [name, inner] : value.items()) {
      AppendText(separator, symbols);
      separator = ",";
      if (json) {
        append_string(name);
      } else {
        RETURN_IF_ERROR(CheckCallKey(name));
        AppendText(name, symbols);
      }
      AppendText(":", symbols);
      RETURN_IF_ERROR(Append(inner, syntax, symbols));
    }
    AppendText("}", symbols);
  } else if (value.is_array()) {
    AppendText("[", symbols);
    for (const ChatJson& inner : value) {
      AppendText(separator, symbols);
      separator = ",";
      RETURN_IF_ERROR(Append(inner, syntax, symbols));
    }
    AppendText("]", symbols);
  } else {
    AppendText(value.dump(), symbols);
  }
  return absl::OkStatus();
}

struct Branch {
  std::map<uint16_t, int32_t> children;
  bool ends = false;
};

}  // namespace

absl::StatusOr<int32_t> AddLiterals(const std::vector<ChatJson>& values, ValueSyntax syntax,
                                    int32_t next, ProgramBuilder* builder) {
  std::vector<Branch> tree(1);
  for (const ChatJson& value : values) {
    Symbols symbols;
    RETURN_IF_ERROR(Append(value, syntax, &symbols));
    int32_t at = 0;
    for (uint16_t symbol : symbols) {
      const auto [child, added] =
          tree[at].children.try_emplace(symbol, static_cast<int32_t>(tree.size()));
      at = child->second;
      if (added) tree.emplace_back();
    }
    tree[at].ends = true;
    if (static_cast<int64_t>(tree.size()) > kProgramNodesMax / 2) {
      return absl::InvalidArgumentError("the values of an `enum` or `const` are too large");
    }
  }
  // Children come after their parents, so backwards all targets are there.
  std::vector<int32_t> nodes(tree.size());
  for (size_t i = tree.size(); i-- > 0;) {
    std::vector<GrammarEdge> edges;
    std::vector<int32_t> ways;
    for (const auto& [symbol, child] : tree[i].children) {
      const auto byte = static_cast<uint8_t>(symbol);
      if (symbol == kQuoteSymbol) {
        ways.push_back(builder->OpenString(syntax, nodes[child]));
      } else {
        edges.push_back({byte, byte, nodes[child]});
      }
    }
    if (!edges.empty()) ways.push_back(builder->Bytes(edges));
    if (tree[i].ends) ways.push_back(next);
    nodes[i] = ways.size() == 1 ? ways[0] : builder->Split(ways);
  }
  return nodes[0];
}

absl::Status CheckCallKey(absl::string_view key) {
  const bool bad = key.empty() || key.find_first_of(":}") != absl::string_view::npos ||
                   absl::StripAsciiWhitespace(key) != key;
  if (!bad) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the key ", Quoted(key),
                   " cannot be written in a tool call: it is empty, begins or ends with white "
                   "space, or contains : or }"));
}

}  // namespace coterie
