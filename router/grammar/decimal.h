// Decimal: a number as its digits, for limits that must hold exactly.
#ifndef COTERIE_ROUTER_GRAMMAR_DECIMAL_H_
#define COTERIE_ROUTER_GRAMMAR_DECIMAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Digits on each side of the point that are read.
inline constexpr int kDecimalDigitsMax = 60;

// Normal form: no zeros at the front of `whole` (which is "0" at least) or at the end of
// `fraction`, zero is not negative.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;

  bool is_zero() const { return whole == "0" && fraction.empty(); }
  // Below, at, above zero: as `this` to `other`.
  int Compare(const Decimal& other) const;
  Decimal Negated() const;
};

// A JSON number: -12.5e3. InvalidArgument when it has too many digits.
absl::StatusOr<Decimal> ParseDecimal(absl::string_view text);

// The whole number next to it, upwards or downwards.
Decimal Ceiling(const Decimal& value);
Decimal Floor(const Decimal& value);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_DECIMAL_H_
