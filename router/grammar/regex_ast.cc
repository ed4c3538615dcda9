#include "router/grammar/regex_ast.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

using Kind = RegexNode::Kind;

CharSet Digits() { return {{'0', '9'}}; }
CharSet Words() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
// Readers differ in what else is white space: \s takes what all agree on, \S leaves out what any
// takes for it.
CharSet Spaces() { return {{'\t', '\r'}, {' ', ' '}}; }
CharSet AnySpaces() {
  return MakeCharSet({{'\t', '\r'},
                      {0x1C, 0x20},
                      {0x85, 0x85},
                      {0xA0, 0xA0},
                      {0x1680, 0x1680},
                      {0x2000, 0x200A},
                      {0x2028, 0x2029},
                      {0x202F, 0x202F},
                      {0x205F, 0x205F},
                      {0x3000, 0x3000},
                      {0xFEFF, 0xFEFF}});
}
CharSet Dot() {
  return Without(AllChars(), MakeCharSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
}

RegexNode OfSet(CharSet set) {
  RegexNode node;
  node.kind = Kind::kSet;
  node.set = std::move(set);
  return node;
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<RegexNode> Parse() {
    ASSIGN_OR_RETURN(RegexNode node, Choice(0));
    if (!rest_.empty()) return absl::InvalidArgumentError("a `)` without its `(`");
    return node;
  }

 private:
  bool Take(absl::string_view text) {
    if (rest_.substr(0, text.size()) != text) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  absl::StatusOr<RegexNode> Choice(int depth) {
    if (depth > kPatternDepthMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("groups nest deeper than ", kPatternDepthMax, " levels"));
    }
    RegexNode choice;
    choice.kind = Kind::kChoice;
    do {
      RegexNode list;
      while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')') {
        ASSIGN_OR_RETURN(RegexNode atom, Atom(depth));
        ASSIGN_OR_RETURN(atom, Repeated(std::move(atom)));
        list.parts.push_back(std::move(atom));
      }
      choice.parts.push_back(std::move(list));
    } while (Take("|"));
    return choice;
  }

  absl::StatusOr<RegexNode> Atom(int depth) {
    RegexNode node;
    if (Take("(")) {
      if (Take("?") && !Take(":")) {
        return absl::InvalidArgumentError(
            absl::StrCat("`(?", rest_.substr(0, 1), "` is not supported"));
      }
      ASSIGN_OR_RETURN(node, Choice(depth + 1));
      if (!Take(")")) return absl::InvalidArgumentError("a `(` without its `)`");
      return node;
    }
    if (Take("^")) {
      node.kind = Kind::kBegin;
      return node;
    }
    if (Take("$")) {
      node.kind = Kind::kEnd;
      return node;
    }
    if (Take("[")) return Class();
    if (Take(".")) return OfSet(Dot());
    if (Take("\\")) {
      ASSIGN_OR_RETURN(CharSet set, Escape(/*in_class=*/false));
      return OfSet(std::move(set));
    }
    if (absl::string_view("*+?{").find(rest_.front()) != absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("`", rest_.substr(0, 1), "` has nothing to repeat"));
    }
    return OfSet(Character());
  }

  CharSet Character() {
    const uint32_t c = *TakeChar(&rest_);
    return {{c, c}};
  }

  absl::StatusOr<RegexNode> Repeated(RegexNode atom) {
    std::pair<int, int> bounds;
    if (Take("*")) {
      bounds = {0, -1};
    } else if (Take("+")) {
      bounds = {1, -1};
    } else if (Take("?")) {
      bounds = {0, 1};
    } else if (Take("{")) {
      ASSIGN_OR_RETURN(bounds, Counts());
    } else {
      return atom;
    }
    Take("?");  // a lazy one
    if (atom.kind == Kind::kBegin || atom.kind == Kind::kEnd) {
      return absl::InvalidArgumentError("a repeated anchor");
    }
    RegexNode repeat;
    repeat.kind = Kind::kRepeat;
    repeat.min = bounds.first;
    repeat.max = bounds.second;
    repeat.parts.push_back(std::move(atom));
    if (!rest_.empty() && (rest_.front() == '*' || rest_.front() == '+')) {
      return absl::InvalidArgumentError("a repetition of a repetition");
    }
    return repeat;
  }

  absl::StatusOr<std::pair<int, int>> Counts() {
    const auto number = [this]() -> int {
      if (rest_.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(rest_.front())))
        return -1;
      int value = 0;
      while (!rest_.empty() && absl::ascii_isdigit(static_cast<unsigned char>(rest_.front()))) {
        value = std::min(value * 10 + (rest_.front() - '0'), kPatternCountMax + 1);
        rest_.remove_prefix(1);
      }
      return value;
    };
    const int min = number();
    int max = min;
    if (Take(",")) max = number();
    if (min < 0 || !Take("}") || (max >= 0 && max < min)) {
      return absl::InvalidArgumentError("a `{` that is no repetition; write \\{ for the character");
    }
    if (std::max(min, max) > kPatternCountMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a repetition of more than ", kPatternCountMax));
    }
    return std::make_pair(min, max);
  }

  // What follows a backslash.
  absl::StatusOr<CharSet> Escape(bool in_class) {
    if (rest_.empty()) return absl::InvalidArgumentError("a backslash at the end");
    const char c = rest_.front();
    const auto set_of = [this](CharSet set) {
      rest_.remove_prefix(1);
      return set;
    };
    const auto one = [&](uint32_t character) { return set_of({{character, character}}); };
    switch (c) {
      case 'd':
        return set_of(Digits());
      case 'D':
        return set_of(Without(AllChars(), Digits()));
      case 'w':
        return set_of(Words());
      case 'W':
        return set_of(Without(AllChars(), Words()));
      case 's':
        return set_of(Spaces());
      case 'S':
        return set_of(Without(AllChars(), AnySpaces()));
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        rest_.remove_prefix(1);
        return Hex(2);
      case 'u':
        rest_.remove_prefix(1);
        return Hex(4);
      case 'b':
        if (in_class) return one('\b');
        break;
      default:
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) return Character();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("`\\", rest_.substr(0, 1), "` is not supported"));
  }

  absl::StatusOr<CharSet> Hex(size_t num_digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < num_digits; ++i) {
      if (rest_.empty() || !absl::ascii_isxdigit(static_cast<unsigned char>(rest_.front()))) {
        return absl::InvalidArgumentError("a \\x or \\u without its digits");
      }
      const char c = absl::ascii_tolower(static_cast<unsigned char>(rest_.front()));
      value = value * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
      rest_.remove_prefix(1);
    }
    if (value >= 0xD800 && value <= 0xDFFF) {
      return absl::InvalidArgumentError("a surrogate; write the character itself");
    }
    return CharSet{{value, value}};
  }

  absl::StatusOr<RegexNode> Class() {
    const bool opposite = Take("^");
    std::vector<CharRange> ranges;
    while (!Take("]")) {
      ASSIGN_OR_RETURN(const CharSet low, ClassAtom());
      const bool is_range = rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']';
      if (!is_range) {
        ranges.insert(ranges.end(), low.begin(), low.end());
        continue;
      }
      Take("-");
      ASSIGN_OR_RETURN(const CharSet high, ClassAtom());
      const bool ordered = low.size() == 1 && high.size() == 1 && low[0].lo == low[0].hi &&
                           high[0].lo == high[0].hi && low[0].lo <= high[0].lo;
      if (!ordered) return absl::InvalidArgumentError("a range in a class that is none");
      ranges.push_back({low[0].lo, high[0].hi});
    }
    const CharSet set = MakeCharSet(std::move(ranges));
    return OfSet(opposite ? Without(AllChars(), set) : set);
  }

  absl::StatusOr<CharSet> ClassAtom() {
    if (rest_.empty()) return absl::InvalidArgumentError("a `[` without its `]`");
    if (Take("\\")) return Escape(/*in_class=*/true);
    return Character();
  }

  absl::string_view rest_;
};

}  // namespace

absl::StatusOr<RegexNode> ParseRegex(absl::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("it is longer than ", kPatternBytesMax));
  }
  if (NumChars(pattern) < 0) return absl::InvalidArgumentError("it is not UTF-8");
  return Parser(pattern).Parse();
}

}  // namespace coterie
