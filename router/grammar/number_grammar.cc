// A number within limits is read digit by digit. As long as its digits are those of a limit it is
// `tight` at that limit, and the next digit is bounded by the limit's; once it is not, anything may
// follow. Whole parts of each length are apart, since a longer one is larger.
#include "router/grammar/number_grammar.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace coterie {
namespace {

constexpr int32_t kDead = -1;

// Values without a sign.
struct Magnitudes {
  NumberLimit low, high;
};

class RangeBuilder {
 public:
  RangeBuilder(const Magnitudes& range, int digits_max, bool integer, int32_t next,
               ProgramBuilder* builder)
      : low_(range.low),
        high_(range.high),
        digits_max_(digits_max),
        integer_(integer),
        next_(next),
        builder_(*builder) {}

  // Node of all of them; kDead when there is none.
  int32_t Build() {
    if (low_.value.Compare(high_.value) > 0) return kDead;
    std::vector<int32_t> starts;
    const int shortest = static_cast<int>(low_.value.whole.size());
    const int longest = static_cast<int>(high_.value.whole.size());
    for (length_ = shortest; length_ <= std::min(longest, digits_max_); ++length_) {
      known_.clear();
      const int32_t start = Digit(0, length_ == shortest, length_ == longest);
      if (start != kDead) starts.push_back(start);
    }
    return starts.empty() ? kDead : builder_.Split(starts);
  }

 private:
  // Before digit `i`, where the point counts for none: digits [0, length_) are the whole part.
  int32_t Digit(int i, bool tight_low, bool tight_high) {
    const auto key = std::make_tuple(i, tight_low, tight_high);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    std::vector<int32_t> ways;
    if (i >= length_) {
      if (MayEnd(i, tight_low, tight_high)) ways.push_back(next_);
      if (i == length_ && !integer_) {
        const int32_t fraction = Edges(i, tight_low, tight_high);
        if (fraction != kDead) ways.push_back(builder_.Text(".", fraction));
      }
    }
    if (i != length_) {
      const int32_t more = Edges(i, tight_low, tight_high);
      if (more != kDead) ways.push_back(more);
    }
    const int32_t node = ways.empty() ? kDead : builder_.Split(ways);
    known_[key] = node;
    return node;
  }

  int32_t Edges(int i, bool tight_low, bool tight_high) {
    if (i >= std::max(length_, integer_ ? 0 : digits_max_)) return kDead;
    const int from =
        std::max(tight_low ? DigitOf(low_.value, i) : 0, i == 0 && length_ > 1 ? 1 : 0);
    const int to = tight_high ? DigitOf(high_.value, i) : 9;
    std::vector<GrammarEdge> edges;
    for (int digit = from; digit <= to; ++digit) {
      const int32_t target = Digit(i + 1, tight_low && digit == DigitOf(low_.value, i),
                                   tight_high && digit == DigitOf(high_.value, i));
      const auto byte = static_cast<uint8_t>('0' + digit);
      if (target != kDead) edges.push_back({byte, byte, target});
    }
    return edges.empty() ? kDead : builder_.Bytes(edges);
  }

  int DigitOf(const Decimal& limit, int i) const {
    const auto at = static_cast<size_t>(i < length_ ? i : i - length_);
    const std::string& digits = i < length_ ? limit.whole : limit.fraction;
    return at < digits.size() ? digits[at] - '0' : 0;
  }

  bool MayEnd(int i, bool tight_low, bool tight_high) const {
    const auto num_fraction = static_cast<size_t>(i - length_);
    // Tight at the lower limit with digits of it to come: below it.
    if (tight_low && num_fraction < low_.value.fraction.size()) return false;
    if (tight_low && low_.exclusive) return false;
    return !(tight_high && high_.exclusive && num_fraction >= high_.value.fraction.size());
  }

  const NumberLimit &low_, &high_;
  const int digits_max_;
  const bool integer_;
  const int32_t next_;
  ProgramBuilder& builder_;
  int length_ = 0;  // of the whole part
  std::map<std::tuple<int, bool, bool>, int32_t> known_;
};

NumberLimit LargestOf(int digits) { return {{false, std::string(digits, '9'), ""}, false}; }

NumberLimit Whole(const NumberLimit& limit, bool is_low) {
  NumberLimit whole = {is_low ? Ceiling(limit.value) : Floor(limit.value), false};
  whole.exclusive = limit.exclusive && limit.value.fraction.empty();
  return whole;
}

// The part at or above zero of what lies between; false when there is none.
bool PartAboveZero(const NumberLimit& low, const NumberLimit& high, Magnitudes* part) {
  if (high.value.negative || (high.value.is_zero() && high.exclusive)) return false;
  const bool from_zero = low.value.negative;
  *part = {from_zero ? NumberLimit{} : low, high};
  return true;
}

// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?
int32_t AddFreeNumber(int32_t next, ProgramBuilder* builder) {
  const auto digits = [&](int max, int32_t after) {
    int32_t node = after;
    for (int i = 0; i < max; ++i)
      node = builder->Split({after, builder->Bytes({{'0', '9', node}})});
    return node;
  };
  const auto one_or_more = [&](int max, int32_t after) {
    return builder->Bytes({{'0', '9', digits(max - 1, after)}});
  };
  const int32_t power = one_or_more(2, next);
  const int32_t signed_power =
      builder->Split({power, builder->Bytes({{'+', '+', power}, {'-', '-', power}})});
  const int32_t exponent =
      builder->Split({next, builder->Bytes({{'e', 'e', signed_power}, {'E', 'E', signed_power}})});
  const int32_t fraction = builder->Split(
      {exponent, builder->Bytes({{'.', '.', one_or_more(kIntegerDigitsMax, exponent)}})});
  const int32_t whole =
      builder->Bytes({{'0', '0', fraction}, {'1', '9', digits(kIntegerDigitsMax - 1, fraction)}});
  return builder->Split({whole, builder->Bytes({{'-', '-', whole}})});
}

}  // namespace

absl::StatusOr<int32_t> AddNumber(const SchemaNode& node, int32_t next, ProgramBuilder* builder) {
  if (!node.integer && !node.low && !node.high) return AddFreeNumber(next, builder);
  const int digits_max = node.integer ? kIntegerDigitsMax : kNumberDigitsMax;
  NumberLimit high = node.high.value_or(LargestOf(digits_max));
  NumberLimit low = node.low.value_or(LargestOf(digits_max));
  if (!node.low) low.value = low.value.Negated();
  if (node.integer) {
    low = Whole(low, /*is_low=*/true);
    high = Whole(high, /*is_low=*/false);
  }
  std::vector<int32_t> ways;
  Magnitudes part;
  if (PartAboveZero(low, high, &part)) {
    const int32_t start = RangeBuilder(part, digits_max, node.integer, next, builder).Build();
    if (start != kDead) ways.push_back(start);
  }
  // Below zero the limits change places. -0 is nobody's number.
  const NumberLimit low_below = {high.value.Negated(), high.exclusive};
  const NumberLimit high_below = {low.value.Negated(), low.exclusive};
  if (PartAboveZero(low_below, high_below, &part)) {
    if (part.low.value.is_zero()) part.low.exclusive = true;
    const int32_t start = RangeBuilder(part, digits_max, node.integer, next, builder).Build();
    if (start != kDead) ways.push_back(builder->Text("-", start));
  }
  if (ways.empty()) {
    return absl::InvalidArgumentError(
        "no number that can be written is within its minimum and maximum");
  }
  return builder->Split(ways);
}

}  // namespace coterie
