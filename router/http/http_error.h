// HttpError: why the server itself refuses a request.
#ifndef COTERIE_ROUTER_HTTP_HTTP_ERROR_H_
#define COTERIE_ROUTER_HTTP_HTTP_ERROR_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace coterie {

struct HttpError {
  int status = 0;            // 0: none
  const char* message = "";  // a constant without quotes or backslashes
};

// The error as OpenAI's clients read it.
inline std::string ErrorBody(const HttpError& error) {
  const absl::string_view type = error.status < 500 ? "invalid_request_error" : "server_error";
  return absl::StrCat(R"({"error":{"message":")", error.message, R"(","type":")", type,
                      R"(","param":null,"code":null}})");
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_ERROR_H_
