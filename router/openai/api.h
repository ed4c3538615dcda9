// Api: the endpoints of the front door by HTTP, over any transport and any Completions.
//
//   std::unique_ptr<Exchange> exchange = api.Handle(request, &sink);
//   // null: the reply has been sent whole. Else, until exchange->done():
//   //   after sink.Wake():               exchange->Continue();
//   //   when a full sink has room again: exchange->Continue();
//   //   every few seconds:               exchange->KeepAlive();
//   // and when the client has gone: exchange.reset(), which cancels.
//
// docs/http_api.md tells clients of the same.
#ifndef COTERIE_ROUTER_OPENAI_API_H_
#define COTERIE_ROUTER_OPENAI_API_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "router/frontend/completions.h"
#include "router/openai/api_error.h"
#include "router/openai/api_request.h"
#include "router/openai/chat_body.h"
#include "router/openai/exchange.h"
#include "router/openai/pages.h"
#include "router/openai/reply_form.h"
#include "router/openai/reply_sink.h"
#include "router/openai/reply_writer.h"
#include "router/openai/route.h"

namespace coterie {

// Thread-safe, as long as the callbacks are.
class Api {
 public:
  struct Options {
    Completions* completions = nullptr;  // not owned, outlives this and every exchange
    PageSource pages;
    std::string fingerprint;        // system_fingerprint
    bool default_thinking = false;  // where a request says nothing
    // Cross-origin requests: pages of other sites may call this server.
    bool allow_all_origins = false;

    // The tenant that a key belongs to; the key is empty when the request has none. Unauthenticated
    // becomes 401. Missing: all are one tenant, "".
    std::function<absl::StatusOr<std::string>(absl::string_view key)> tenant_of;
    // Tokens of a prompt, for /v1/messages/count_tokens. Missing: there is no such endpoint.
    std::function<absl::StatusOr<int64_t>(const ChatRequest&)> count_tokens;

    // A request that has not ended by then does.
    absl::Duration request_timeout = absl::InfiniteDuration();

    std::function<absl::Time()> now = absl::Now;
    std::function<uint64_t()> random;  // ids of replies; they must not be guessed or repeat
  };
  // CHECKs that there are completions, a model and a source of ids.
  explicit Api(Options options);

  // Null when the reply was sent at once. `sink` is not owned, outlives the exchange.
  std::unique_ptr<Exchange> Handle(const ApiRequest& request, ReplySink* sink) const;

 private:
  // What is known of one request beside its body.
  struct Call {
    Route route;
    std::string token;       // of this reply's ids
    std::string request_id;  // the client's, or made of the token
    std::string tenant;
    std::string session_id;  // from a header
    HttpHeaders headers;     // of the reply
  };

  Call MakeCall(const ApiRequest& request) const;
  absl::Status Authenticate(const ApiRequest& request, Call* call) const;
  void SendPage(const Call& call, ReplySink* sink) const;
  void SendError(const Call& call, ApiError error, ReplySink* sink) const;
  static std::string ErrorJson(const Call& call, const ApiError& error);

  absl::StatusOr<ChatBody> ReadBody(Endpoint endpoint, const ChatJson& body) const;
  ReplyStamp Stamp(const Call& call, const ReplyForm& form) const;
  void SetCaller(const Call& call, CompletionOptions* options) const;
  absl::Status StartChat(const Call& call, const ChatJson& body, Exchange::Options* started) const;
  absl::Status StartText(const Call& call, const ChatJson& body, Exchange::Options* started) const;
  absl::StatusOr<WholeReply> CountTokens(const Call& call, const ChatJson& body) const;

  const Options options_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_API_H_
