#include "router/frontend/http_door.h"

#include <string>
#include <utility>

#include "router/frontend/http_exchange.h"

namespace coterie {
namespace {

// How soon a client that has caught up gets more.
constexpr absl::Duration kTick = absl::Milliseconds(500);

}  // namespace

HttpDoor::HttpDoor(Api::Options options, ReaderPool* readers)
    : api_(std::move(options)), readers_(readers), ticker_(kTick, [this] { Tick(); }) {}

HttpDoor::~HttpDoor() { readers_->WaitUntilIdle(); }

void HttpDoor::Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  auto exchange = std::make_shared<HttpExchange>(reply);
  if (request.method != "POST") {
    return exchange->Handle(api_, {.method = std::move(request.method),
                                   .path = std::move(request.path),
                                   .headers = std::move(request.headers)});
  }
  {
    std::lock_guard<std::mutex> lock(mu_);
    exchanges_.push_back(exchange);
  }
  auto read = std::make_shared<ApiRequest>(ApiRequest{.method = std::move(request.method),
                                                      .path = std::move(request.path),
                                                      .headers = std::move(request.headers),
                                                      .body = std::move(request.body)});
  const auto num_bytes = static_cast<int64_t>(read->body.size());
  const absl::Status posted = readers_->Post(num_bytes, [this, exchange, read, reply] {
    // Nobody reads for a client who has gone.
    if (reply->Post([] {})) exchange->Handle(api_, *read);
  });
  if (posted.ok()) return;
  const ApiError error = ApiError::FromStatus(posted);
  reply->Send({.status = error.http_status,
               .content_type = "application/json",
               .headers = {{"Retry-After", std::to_string(error.retry_after_seconds)}}},
              error.OpenAiJson());
}

void HttpDoor::Tick() {
  std::vector<std::shared_ptr<HttpExchange>> alive;
  {
    std::lock_guard<std::mutex> lock(mu_);
    std::erase_if(exchanges_, [&](const std::weak_ptr<HttpExchange>& weak) {
      auto exchange = weak.lock();
      if (exchange == nullptr) return true;
      alive.push_back(std::move(exchange));
      return false;
    });
  }
  for (const auto& exchange : alive) exchange->Tick();
}

}  // namespace coterie
