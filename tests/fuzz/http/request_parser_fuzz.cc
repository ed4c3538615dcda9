// What a client sends. The first byte says how the bytes are cut; the rest are the bytes.
//
// Beside not crashing: cut, the same is read as at once; no limit is passed; and a request that was
// read, written down again with its length, is read as the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "router/http/request_parser.h"

namespace coterie {
namespace {

const HttpLimits kLimits = {
    .head_bytes = 2000, .num_headers = 20, .target_bytes = 200, .body_bytes = 500};
// Of a chunk's head and of what was fed at once.
constexpr size_t kKeptBytesMax = 4096 + 2000;

std::string Show(const HttpRequest& request) {
  std::string shown = absl::StrCat(request.method, " ", request.path, "?", request.query, " ",
                                   request.minor_version, "\n");
  for (const auto& [name, value] : request.headers) absl::StrAppend(&shown, name, ":", value, "\n");
  return absl::StrCat(shown, request.body);
}

void CheckLimits(const HttpRequest& request) {
  CHECK_LE(request.body.size(), kLimits.body_bytes);
  CHECK_LE(request.headers.size(), kLimits.num_headers);
  CHECK_LE(request.path.size() + request.query.size(), kLimits.target_bytes + 1);
}

// Everything that a connection would be told, and why it ended.
std::string ReadAll(absl::string_view bytes, size_t step) {
  RequestParser parser(kLimits);
  std::string shown;
  while (!bytes.empty()) {
    const size_t num_bytes = std::min(step, bytes.size());
    parser.Feed(bytes.substr(0, num_bytes));
    bytes.remove_prefix(num_bytes);
    while (parser.state() == RequestParser::State::kDone) {
      const bool keep_alive = parser.keep_alive();
      const HttpRequest request = parser.TakeRequest();
      CheckLimits(request);
      absl::StrAppend(&shown, Show(request), keep_alive ? "\n--\n" : "\n==\n");
      parser.Next();
    }
    if (parser.state() != RequestParser::State::kFailed)
      CHECK_LE(parser.kept_bytes(), std::max(kKeptBytesMax, num_bytes));
  }
  if (parser.state() == RequestParser::State::kFailed)
    absl::StrAppend(&shown, parser.error().status, " ", parser.error().message);
  return shown;
}

// The first request of `bytes`, written plainly, is read as it was.
void CheckRoundTrip(absl::string_view bytes) {
  RequestParser parser(kLimits);
  parser.Feed(bytes);
  if (parser.state() != RequestParser::State::kDone) return;
  const HttpRequest request = parser.TakeRequest();
  if (request.path.empty()) return;
  std::string plain =
      absl::StrCat(request.method, " ", request.path, request.query.empty() ? "" : "?",
                   request.query, " HTTP/1.", request.minor_version, "\r\n");
  for (const auto& [name, value] : request.headers) {
    if (absl::EqualsIgnoreCase(name, "content-length") ||
        absl::EqualsIgnoreCase(name, "transfer-encoding")) {
      continue;
    }
    absl::StrAppend(&plain, name, ": ", value, "\r\n");
  }
  absl::StrAppend(&plain, "Content-Length: ", request.body.size(), "\r\n\r\n", request.body);
  HttpLimits roomy = kLimits;
  roomy.head_bytes *= 2;
  ++roomy.num_headers;
  RequestParser again(roomy);
  again.Feed(plain);
  CHECK(again.state() == RequestParser::State::kDone) << again.error().message << "\n" << plain;
  CHECK_EQ(again.kept_bytes(), 0u);
  const HttpRequest same = again.TakeRequest();
  CHECK(same.method == request.method && same.path == request.path && same.query == request.query &&
        same.body == request.body)
      << plain;
}

void Run(absl::string_view input) {
  if (input.empty()) return;
  const size_t step = 1 + static_cast<uint8_t>(input[0]) % 40;
  const absl::string_view bytes = input.substr(1);
  const std::string whole = ReadAll(bytes, bytes.size());
  const std::string cut = ReadAll(bytes, step);
  CHECK(whole == cut) << whole << "\n#####\n" << cut;
  CheckRoundTrip(bytes);
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
