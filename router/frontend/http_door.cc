#include "router/frontend/http_door.h"

#include <utility>

#include "router/frontend/http_exchange.h"

namespace coterie {
namespace {

// How soon a client that has caught up gets more.
constexpr absl::Duration kTick = absl::Milliseconds(500);

}  // namespace

HttpDoor::HttpDoor(Api::Options options)
    : api_(std::move(options)),
      ticker_(kTick, [this] { Tick(); }),
      readers_{{absl::Hours(1), [] {}}, {absl::Hours(1), [] {}}} {}

HttpDoor::~HttpDoor() = default;

void HttpDoor::Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  auto exchange = std::make_shared<HttpExchange>(std::move(reply));
  {
    std::lock_guard<std::mutex> lock(mu_);
    exchanges_.push_back(exchange);
  }
  auto read = std::make_shared<ApiRequest>(ApiRequest{.method = std::move(request.method),
                                                      .path = std::move(request.path),
                                                      .headers = std::move(request.headers),
                                                      .body = std::move(request.body)});
  readers_[next_reader_++ % 2].Post([this, exchange = std::move(exchange), read = std::move(read)] {
    exchange->Handle(api_, *read);
  });
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
