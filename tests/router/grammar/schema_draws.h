// Random schemas, and random values that satisfy them.
#ifndef COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_DRAWS_H_
#define COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_DRAWS_H_

#include <cstdint>
#include <random>

#include "model/chat_json.h"

namespace coterie {

// Draws a schema that router/grammar supports. A value always exists. Objects are closed when
// `closed`, at random otherwise.
class SchemaDraws {
 public:
  SchemaDraws(uint64_t seed, bool closed) : random_(seed), closed_(closed) {}

  ChatJson Schema() { return Draw(0); }
  // An object.
  ChatJson ObjectSchema();
  // A value of a schema that this drew, properties in the schema's order.
  ChatJson Value(const ChatJson& schema);

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  ChatJson Draw(int depth);
  ChatJson DrawNumber(bool integer);
  ChatJson DrawString();
  ChatJson DrawObject(int depth);
  ChatJson DrawArray(int depth);
  ChatJson AnyValue(int depth);
  std::string Text(int64_t min, int64_t max);

  std::mt19937_64 random_;
  const bool closed_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_DRAWS_H_
