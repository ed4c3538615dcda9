#include "router/http/connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/http/connection_reply.h"

namespace coterie {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kReadBytes = 64 << 10;
// A stream's events are small; what waits in the kernel for a client that has stopped reading is
// better counted by us.
constexpr int kUnsentBytesMax = 64 << 10;

// One a thread: reads never wait while they hold it. On the heap: what is thread-local lies on the
// stack of every thread of the process, and those of some libraries are small.
char* ReadBuffer() {
  thread_local std::vector<char> buffer(kReadBytes);
  return buffer.data();
}

std::string PeerOf(const Socket& socket) {
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  return ec ? "" : absl::StrCat(peer.address().to_string(ec), ":", peer.port());
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerContext> context, Socket socket)
    : context_(std::move(context)),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      peer_(PeerOf(socket_)),
      parser_(context_->options.limits),
      outgoing_(context_->options.stream_buffer_bytes, [this](Outgoing::Wake wake) {
        PostCall(wake == Outgoing::Wake::kFlush ? &Connection::Flush : &Connection::DropStream);
      }) {
  TuneSocket();
}

// Where the kernel does not know one of these we do without.
void Connection::TuneSocket() {
  error_code ec;
  socket_.non_blocking(true, ec);
  socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  // A host that has vanished says nothing: without data under way the kernel asks for it after a
  // minute, with data it gives up when we would.
  socket_.set_option(asio::socket_base::keep_alive(true), ec);
  const int fd = socket_.native_handle();
  const int user_timeout_ms =
      static_cast<int>(absl::ToInt64Milliseconds(context_->options.write_timeout));
  const std::pair<int, int> options[] = {{TCP_KEEPIDLE, 60},
                                         {TCP_KEEPINTVL, 15},
                                         {TCP_KEEPCNT, 4},
                                         {TCP_USER_TIMEOUT, user_timeout_ms},
                                         {TCP_NOTSENT_LOWAT, kUnsentBytesMax}};
  for (const auto& [name, value] : options)
    setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
}

void Connection::PostCall(void (Connection::*method)()) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), method] { (*self.*method)(); });
}

bool Connection::Post(std::function<void()> work) {
  return outgoing_.WhileOpen([&] {
    asio::post(socket_.get_executor(),
               [self = shared_from_this(), work = std::move(work)] { work(); });
  });
}

void Connection::Open() {
  context_->observer->ConnectionsOpen(context_->connections.Add(shared_from_this()));
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    self->head_begun_ = true;
    self->SetDeadlineIn(self->context_->options.head_timeout);
    self->AwaitBytes();
    // The server may have begun to stop before it could see this connection.
    if (self->context_->stopping) self->Close();
  });
}

void Connection::OpenToRefuse() {
  context_->observer->ConnectionsOpen(context_->connections.Add(shared_from_this()));
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    self->Refuse({503, "there are too many connections"});
    if (self->context_->stopping) self->Close();
  });
}

void Connection::AwaitBytes() {
  if (awaiting_bytes_ || input_ended_ || state_ == State::kClosed) return;
  awaiting_bytes_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code ec) {
    self->awaiting_bytes_ = false;
    if (self->state_ == State::kClosed) return;
    if (ec) {
      self->Close();
    } else {
      self->OnReadable();
    }
  });
}

void Connection::OnReadable() {
  error_code ec;
  const size_t num_bytes = socket_.read_some(asio::buffer(ReadBuffer(), kReadBytes), ec);
  if (!ec) {
    TakeBytes({ReadBuffer(), num_bytes});
  } else if (ec == asio::error::would_block || ec == asio::error::try_again) {
    AwaitBytes();
  } else if (ec == asio::error::eof) {
    OnEndOfInput();
  } else {
    Close();
  }
}

void Connection::TakeBytes(absl::string_view bytes) {
  if (state_ == State::kClosing) return AwaitBytes();
  parser_.Feed(bytes);
  if (state_ == State::kReading) {
    Advance();
  } else if (parser_.kept_bytes() < context_->options.limits.head_bytes) {
    AwaitBytes();
  }
}

// The answer that is complete, and those to requests that came before, still reach the client.
void Connection::OnEndOfInput() {
  input_ended_ = true;
  if (state_ == State::kReading || answered_ || !outgoing_.ended()) Close();
}

void Connection::Advance() {
  if (parser_.state() == RequestParser::State::kFailed) return Refuse(parser_.error());
  if (parser_.state() == RequestParser::State::kDone) return HandOver();
  if (input_ended_) return Close();
  if (parser_.state() == RequestParser::State::kHead && !parser_.empty() && !head_begun_) {
    head_begun_ = true;
    SetDeadlineIn(context_->options.head_timeout);
  }
  if (parser_.state() == RequestParser::State::kBody) {
    if (body_begin_ == Clock::time_point()) body_begin_ = Clock::now();
    if (!ChargeBody()) return Refuse({503, "too many large requests are under way"});
    if (parser_.expects_continue() && !std::exchange(continue_sent_, true))
      outgoing_.Interim("HTTP/1.1 100 Continue\r\n\r\n");
    const double earned_seconds = static_cast<double>(parser_.body_bytes()) /
                                  static_cast<double>(context_->options.body_bytes_per_second);
    const absl::Duration allowed = context_->options.body_timeout + absl::Seconds(earned_seconds);
    SetDeadline(body_begin_ + absl::ToChronoNanoseconds(allowed));
  }
  AwaitBytes();
}

// Counts what has come of the body; false when all bodies together are too much.
bool Connection::ChargeBody() {
  const auto num_bytes = static_cast<int64_t>(parser_.body_bytes());
  const int64_t more = num_bytes - std::exchange(charged_bytes_, num_bytes);
  return (context_->body_bytes += more) <= context_->options.body_bytes_total;
}

void Connection::HandOver() {
  state_ = State::kAnswering;
  BeginWriteDeadline();
  context_->body_bytes -= std::exchange(charged_bytes_, 0);
  HttpRequest request = parser_.TakeRequest();
  request.peer = peer_;
  const uint64_t ticket = outgoing_.Open({.to_head = request.method == "HEAD",
                                          .http_1_0 = request.minor_version == 0,
                                          .keep_alive = parser_.keep_alive()});
  AwaitBytes();
  context_->handler->Handle(std::move(request),
                            std::make_shared<ConnectionReply>(shared_from_this(), ticket));
  if (input_ended_ && !outgoing_.ended()) Close();
}

// The server's own answer, the last on this connection.
void Connection::Refuse(const HttpError& error) {
  state_ = State::kClosing;
  BeginWriteDeadline();
  parser_.Release();
  context_->body_bytes -= std::exchange(charged_bytes_, 0);
  ReplyHead head = {.status = error.status, .content_type = "application/json"};
  if (error.status == 503) head.headers.emplace_back("Retry-After", "1");
  const uint64_t ticket = outgoing_.Open({.keep_alive = false});
  if (outgoing_.Send(ticket, head, ErrorBody(error))) context_->observer->Answered(error.status);
  AwaitBytes();
}

}  // namespace coterie
