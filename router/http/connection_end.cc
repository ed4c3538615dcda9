// The second half of Connection: answers go out, time runs out, it ends.
#include <boost/asio/post.hpp>
#include <utility>

#include "router/http/connection.h"

namespace coterie {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// What an idle stream keeps of its last write.
constexpr size_t kKeptCapacity = 4 << 10;

}  // namespace

// Straight to the kernel, which nearly always takes it all; who takes less is waited for.
void Connection::Flush() {
  if (awaiting_room_ || state_ == State::kClosed) return;
  if (writing_.empty()) outgoing_.Take(&writing_);
  if (!writing_.empty()) {
    error_code ec;
    const size_t num_bytes = socket_.write_some(
        asio::buffer(writing_.data() + writing_at_, writing_.size() - writing_at_), ec);
    if (ec && ec != asio::error::would_block && ec != asio::error::try_again) return Close();
    if (num_bytes > 0) OnWritten(num_bytes);
    if (!writing_.empty()) return AwaitRoom();
  }
  // What was written meanwhile has posted its own Flush.
  if (outgoing_.Finish()) OnAnswered();
}

void Connection::OnWritten(size_t num_bytes) {
  outgoing_.Sent(num_bytes);
  context_->observer->BytesSent(static_cast<int64_t>(num_bytes));
  writing_at_ += num_bytes;
  // A request's deadline is not a write's.
  if (state_ != State::kReading) SetDeadline(Clock::time_point::max());
  if (writing_at_ < writing_.size()) return;
  writing_at_ = 0;
  writing_.clear();
  if (writing_.capacity() > kKeptCapacity) std::string().swap(writing_);
}

void Connection::AwaitRoom() {
  awaiting_room_ = true;
  if (state_ != State::kReading && deadline_ == Clock::time_point::max()) BeginWriteDeadline();
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code ec) {
    self->awaiting_room_ = false;
    if (self->state_ == State::kClosed) return;
    ec ? self->Close() : self->Flush();
  });
}

void Connection::OnAnswered() {
  if (state_ == State::kAnswering && outgoing_.keep_alive() && !context_->stopping) {
    state_ = State::kReading;
    head_begun_ = continue_sent_ = false;
    body_begin_ = {};
    SetDeadlineIn(context_->options.idle_timeout);
    parser_.Next();
    return Advance();
  }
  state_ = State::kClosing;
  answered_ = true;
  parser_.Release();
  error_code ec;
  socket_.shutdown(Socket::shutdown_send, ec);
  // Closing is safe when nothing lies unread and nothing will come.
  if (input_ended_ || (context_->stopping && socket_.available(ec) == 0)) return Close();
  SetDeadlineIn(context_->options.linger_timeout);
  AwaitBytes();
}

void Connection::BeginWriteDeadline() {
  if (awaiting_room_) {
    SetDeadlineIn(context_->options.write_timeout);
  } else {
    SetDeadline(Clock::time_point::max());
  }
}

void Connection::SetDeadlineIn(absl::Duration wait) {
  SetDeadline(Clock::now() + absl::ToChronoNanoseconds(wait));
}

void Connection::SetDeadline(Clock::time_point deadline) {
  deadline_ = deadline;
  if (deadline_ < timer_expiry_) ArmTimer();
}

void Connection::ArmTimer() {
  timer_expiry_ = deadline_;
  timer_.expires_at(deadline_);  // what waited before is called with an error
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec || self->state_ == State::kClosed) return;
    self->timer_expiry_ = Clock::time_point::max();
    if (self->deadline_ <= Clock::now()) {
      self->OnDeadline();
    } else if (self->deadline_ != Clock::time_point::max()) {
      self->ArmTimer();
    }
  });
}

void Connection::OnDeadline() {
  deadline_ = Clock::time_point::max();
  if (state_ == State::kReading && !idle())
    return Refuse({408, "the request took too long to arrive"});
  if (state_ == State::kReading || answered_) return Close();
  context_->observer->SlowReaderDropped();
  Cut();
}

// Its reader has let too much gather, or its writer has let go of it.
void Connection::DropStream() {
  if (state_ == State::kClosed) return;
  if (outgoing_.overflowed()) context_->observer->SlowReaderDropped();
  Cut();
}

// What the kernel holds for the client is thrown away.
void Connection::Cut() {
  if (state_ == State::kClosed) return;
  cut_ = true;
  error_code ec;
  socket_.set_option(asio::socket_base::linger(true, 0), ec);
  Close();
}

void Connection::Stop() {
  outgoing_.WhileOpen([&] {
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->outgoing_.LetAnswersBeLast();
      if (self->idle() || self->answered_) self->Close();
    });
  });
}

void Connection::Abort() {
  outgoing_.WhileOpen([&] { PostCall(&Connection::Cut); });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  error_code ec;
  socket_.close(ec);
  timer_.cancel(ec);
  parser_.Release();
  context_->body_bytes -= std::exchange(charged_bytes_, 0);
  const Outgoing::Closed closed = outgoing_.Close();
  context_->observer->ConnectionsOpen(context_->connections.Remove(shared_from_this()));
  if (closed.unfinished && !cut_) context_->observer->ClientGone();
  if (closed.callback) closed.callback();
}

}  // namespace coterie
