#include "router/http/request_parser.h"

#include <utility>

#include "kernels/check.h"
#include "router/http/message_parser.h"

namespace coterie {
namespace {

// What a parser holds on to between requests.
constexpr size_t kIdleCapacity = 1 << 10;
// Of a chunk's size with its extensions, and of all trailers.
constexpr size_t kChunkHeadBytesMax = 4 << 10;

}  // namespace

RequestParser::RequestParser(const HttpLimits& limits) : limits_(limits), scanner_(limits) {}
RequestParser::~RequestParser() = default;

bool RequestParser::expects_continue() const {
  return state_ == State::kBody && message_->expects_continue() && buffer_.empty() &&
         message_->request().body.empty();
}

size_t RequestParser::body_bytes() const {
  return state_ == State::kBody ? message_->request().body.size() : 0;
}

void RequestParser::Feed(absl::string_view bytes) {
  if (state_ == State::kFailed) return;
  buffer_.append(bytes.data(), bytes.size());
  Parse();
}

void RequestParser::Parse() {
  if (state_ == State::kHead && !ParseHead()) return;
  if (state_ == State::kBody) ParseBody();
}

// False when there is no body to go on with.
bool RequestParser::ParseHead() {
  if (!scanner_.Scan(buffer_)) return false;
  if (scanner_.error().status != 0) {
    Fail(scanner_.error());
    return false;
  }
  message_ = std::make_unique<MessageParser>(limits_);
  const absl::string_view head(buffer_.data() + scanner_.head_begin(),
                               scanner_.head_end() - scanner_.head_begin());
  if (!message_->ParseHead(head)) {
    Fail(message_->error());
    return false;
  }
  Consume(scanner_.head_end());
  // HTTP/1.0 may ask for it as well; nobody who does is worth the second set of rules.
  keep_alive_ = message_->request().minor_version > 0 && message_->keep_alive();
  state_ = message_->is_done() ? State::kDone : State::kBody;
  return true;
}

void RequestParser::ParseBody() {
  const size_t used = message_->ParseBody(buffer_);
  if (message_->error().status != 0) return Fail(message_->error());
  Consume(used);
  if (message_->is_done()) {
    state_ = State::kDone;
  } else if (buffer_.size() > kChunkHeadBytesMax) {
    Fail({400, "a chunk of the body is malformed"});
  }
}

void RequestParser::Fail(HttpError error) {
  error_ = error;
  Release();
}

void RequestParser::Release() {
  state_ = State::kFailed;
  message_ = nullptr;
  std::string().swap(buffer_);
}

void RequestParser::Consume(size_t num_bytes) {
  if (num_bytes < buffer_.size()) {
    buffer_.erase(0, num_bytes);
  } else if (buffer_.capacity() > kIdleCapacity) {
    std::string().swap(buffer_);
  } else {
    buffer_.clear();
  }
}

HttpRequest RequestParser::TakeRequest() {
  CHECK(state_ == State::kDone && message_ != nullptr) << "there is no request";
  HttpRequest request = std::move(message_->request());
  message_ = nullptr;
  return request;
}

void RequestParser::Next() {
  CHECK(state_ == State::kDone) << "the request is not over";
  state_ = State::kHead;
  message_ = nullptr;
  scanner_ = HeadScanner(limits_);
  Parse();
}

}  // namespace coterie
