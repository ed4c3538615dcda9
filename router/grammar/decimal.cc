#include "router/grammar/decimal.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

int Sign(int value) { return (value > 0) - (value < 0); }

int CompareMagnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (a.whole != b.whole) return Sign(a.whole.compare(b.whole));
  return Sign(a.fraction.compare(b.fraction));
}

void Normalise(Decimal* value) {
  value->whole.erase(0, std::min(value->whole.find_first_not_of('0'), value->whole.size()));
  if (value->whole.empty()) value->whole = "0";
  value->fraction.erase(value->fraction.find_last_not_of('0') + 1);
  if (value->is_zero()) value->negative = false;
}

// One further from zero, among whole numbers.
void Increment(std::string* whole) {
  for (size_t i = whole->size(); i-- > 0;) {
    if ((*whole)[i] != '9') {
      ++(*whole)[i];
      return;
    }
    (*whole)[i] = '0';
  }
  whole->insert(0, "1");
}

Decimal ToWhole(Decimal value, bool away_from_zero) {
  const bool exact = value.fraction.empty();
  value.fraction.clear();
  if (!exact && away_from_zero) Increment(&value.whole);
  Normalise(&value);
  return value;
}

}  // namespace

int Decimal::Compare(const Decimal& other) const {
  if (negative != other.negative) return negative ? -1 : 1;
  return negative ? CompareMagnitudes(other, *this) : CompareMagnitudes(*this, other);
}

Decimal Decimal::Negated() const {
  Decimal value = *this;
  value.negative = !negative && !is_zero();
  return value;
}

absl::StatusOr<Decimal> ParseDecimal(absl::string_view text) {
  const auto bad = [text] {
    return absl::InvalidArgumentError(
        absl::StrCat("the number ", text.substr(0, 40), " has more digits than can be compared"));
  };
  Decimal value;
  absl::string_view digits = text;
  value.negative = !digits.empty() && digits.front() == '-';
  if (value.negative) digits.remove_prefix(1);
  int32_t exponent = 0;
  if (const size_t e = digits.find_first_of("eE"); e != absl::string_view::npos) {
    if (!absl::SimpleAtoi(digits.substr(e + 1), &exponent)) return bad();
    digits = digits.substr(0, e);
  }
  const size_t point = std::min(digits.find('.'), digits.size());
  std::string all(digits.substr(0, point));
  if (point < digits.size()) all.append(digits.substr(point + 1).data(), digits.size() - point - 1);
  if (all.size() > kDecimalDigitsMax || exponent > kDecimalDigitsMax ||
      exponent < -kDecimalDigitsMax) {
    return bad();
  }
  int64_t place = static_cast<int64_t>(point) + exponent;  // of the point in `all`
  if (place < 0) {
    all.insert(0, static_cast<size_t>(-place), '0');
    place = 0;
  }
  if (place > static_cast<int64_t>(all.size())) all.resize(place, '0');
  value.whole = all.substr(0, place);
  value.fraction = all.substr(place);
  Normalise(&value);
  return value;
}

Decimal Ceiling(const Decimal& value) { return ToWhole(value, !value.negative); }
Decimal Floor(const Decimal& value) { return ToWhole(value, value.negative); }

}  // namespace coterie
