// One byte further inside a string.
#ifndef COTERIE_ROUTER_GRAMMAR_STRING_STEP_H_
#define COTERIE_ROUTER_GRAMMAR_STRING_STEP_H_

#include <cstdint>

#include "router/grammar/grammar_program.h"

namespace coterie {

// A place in a string, in one number: characters so far, as many as matter, and how far the one in
// hand is. Zero is the beginning.
class StringPlace {
 public:
  explicit StringPlace(int64_t aux) : aux_(aux) {}

  int64_t aux() const { return aux_; }
  int64_t num_chars() const { return aux_ >> 8; }
  bool between_chars() const { return (aux_ & 0xFF) == 0; }
  bool MayEnd(const GrammarString& string) const {
    return between_chars() && num_chars() >= string.min_chars;
  }
  // Characters that may still come; the largest number when there is no end.
  int64_t CharsLeft(const GrammarString& string) const;

  // False when `byte` cannot come. The quote that ends a JSON string is not among what can.
  bool Step(const GrammarString& string, uint8_t byte);

 private:
  bool Begin(const GrammarString& string, uint8_t byte);
  bool Go(int64_t part);
  bool GoIf(bool may, int64_t part) { return may && Go(part); }
  bool EndChar(const GrammarString& string);

  int64_t aux_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_STRING_STEP_H_
