// RETURN_IF_ERROR and ASSIGN_OR_RETURN for absl::Status (the system's abseil has neither).
//
//   RETURN_IF_ERROR(Open(path));
//   ASSIGN_OR_RETURN(auto config, ReadConfig(path));
#ifndef COTERIE_KERNELS_STATUS_MACROS_H_
#define COTERIE_KERNELS_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace coterie {

// The same code with `context` put before the message: "expert 3: file is truncated".
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(context, ": ", status.message()));
}

}  // namespace coterie

#define RETURN_IF_ERROR(expression)                                                              \
  do {                                                                                           \
    if (absl::Status coterie_status = (expression); !coterie_status.ok()) return coterie_status; \
  } while (false)

#define COTERIE_CONCAT_INNER(a, b) a##b
#define COTERIE_CONCAT(a, b) COTERIE_CONCAT_INNER(a, b)
#define ASSIGN_OR_RETURN(declaration, expression)                                         \
  COTERIE_ASSIGN_OR_RETURN_IMPL(COTERIE_CONCAT(coterie_statusor_, __LINE__), declaration, \
                                expression)
#define COTERIE_ASSIGN_OR_RETURN_IMPL(statusor, declaration, expression) \
  auto statusor = (expression);                                          \
  if (!statusor.ok()) return statusor.status();                          \
  declaration = std::move(statusor).value()

#endif  // COTERIE_KERNELS_STATUS_MACROS_H_
