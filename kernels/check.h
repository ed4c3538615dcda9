// CHECK: what the programmer promised. A false condition prints one line and aborts; it is never
// used for input from the world (files, peers, users), which gets an absl::Status. (The system's
// abseil has no absl/log/check.h.)
#ifndef COTERIE_KERNELS_CHECK_H_
#define COTERIE_KERNELS_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace coterie::internal {

// Collects the message of a failed CHECK and aborts when the statement ends.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition) {
    message_ << file << ":" << line << ": CHECK failed: " << condition << " ";
  }
  [[noreturn]] ~CheckFailure() {
    std::fprintf(stderr, "%s\n", message_.str().c_str());
    std::fflush(stderr);
    std::abort();
  }
  std::ostream& stream() { return message_; }

 private:
  std::ostringstream message_;
};

// Gives both arms of the ternary in CHECK the type void.
struct CheckVoidify {
  void operator&(std::ostream&) const {}
};

}  // namespace coterie::internal

#define CHECK(condition)                              \
  (condition) ? static_cast<void>(0)                  \
              : ::coterie::internal::CheckVoidify() & \
                    ::coterie::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()
#define COTERIE_CHECK_OP(a, op, b) CHECK((a)op(b)) << "(" << (a) << " vs " << (b) << ") "
#define CHECK_EQ(a, b) COTERIE_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) COTERIE_CHECK_OP(a, !=, b)
#define CHECK_LE(a, b) COTERIE_CHECK_OP(a, <=, b)
#define CHECK_LT(a, b) COTERIE_CHECK_OP(a, <, b)
#define CHECK_GE(a, b) COTERIE_CHECK_OP(a, >=, b)
#define CHECK_GT(a, b) COTERIE_CHECK_OP(a, >, b)

#endif  // COTERIE_KERNELS_CHECK_H_
