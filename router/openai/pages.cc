#include "router/openai/pages.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

constexpr char kOk[] = R"({"status":"ok"})";

ChatJson Card(const std::string& id, const PageSource& source) {
  const int64_t created = absl::ToUnixSeconds(source.started);
  return {{"id", id},
          {"object", "model"},
          {"created", created},
          {"owned_by", "coterie"},
          {"max_model_len", source.context_tokens},
          {"max_input_tokens", source.context_tokens},
          {"type", "model"},
          {"lifecycle", "active"},
          {"display_name", id},
          {"created_at", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(created),
                                          absl::UTCTimeZone())}};
}

std::string ModelList(const PageSource& source) {
  ChatJson list = {{"object", "list"}, {"has_more", false}};
  list["data"] = ChatJson::array();
  for (const std::string& id : source.models) list["data"].push_back(Card(id, source));
  list["first_id"] = source.models.front();
  list["last_id"] = source.models.back();
  return DumpJson(list);
}

WholeReply FrontPage(const PageSource& source) {
  WholeReply reply = {.content_type = "text/plain; charset=utf-8"};
  reply.body =
      absl::StrCat("This is Coterie, serving ", source.models.front(),
                   ".\n\n"
                   "POST /v1/chat/completions  /v1/completions  /v1/responses  /v1/messages\n"
                   "GET  /v1/models  /health  /ready  /metrics\n");
  return reply;
}

}  // namespace

std::variant<WholeReply, ApiError> MakePage(const Route& route, const PageSource& source) {
  switch (route.endpoint) {
    case Endpoint::kModels:
      return WholeReply{.body = ModelList(source)};
    case Endpoint::kModel: {
      const auto& ids = source.models;
      if (std::find(ids.begin(), ids.end(), route.model) == ids.end())
        return ApiError::OfRequest(404, "There is no such model here.", "model_not_found");
      return WholeReply{.body = DumpJson(Card(route.model, source))};
    }
    case Endpoint::kMetrics:
      if (!source.metrics)
        return ApiError::OfRequest(404, "There are no metrics here.", "unknown_url");
      return WholeReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = source.metrics()};
    case Endpoint::kReady: {
      const absl::Status ready = source.ready ? source.ready() : absl::OkStatus();
      if (!ready.ok()) return ApiError::FromStatus(ready);
      return WholeReply{.body = kOk};
    }
    case Endpoint::kHealth:
      return WholeReply{.body = kOk};
    default:
      return FrontPage(source);
  }
}

}  // namespace coterie
