// Connection: one client's socket, its requests one after the other, and their answers.
//
// A strand runs everything that touches the socket; writers reach it through Outgoing. While an
// answer is under way the socket is watched, so that a client's going is noticed before the next
// write; what it sends meanwhile (pipelined requests) is kept up to the size of a head and read
// when the answer has ended. Whoever sends more ahead than that is no longer watched, only written
// to.
//
// Reads wait for bytes without a buffer, then use one of the thread's: an idle stream costs this
// object and little else.
#ifndef COTERIE_ROUTER_HTTP_CONNECTION_H_
#define COTERIE_ROUTER_HTTP_CONNECTION_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "router/http/http_error.h"
#include "router/http/outgoing.h"
#include "router/http/request_parser.h"
#include "router/http/server_context.h"

namespace coterie {

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerContext> context, Socket socket);

  // In `context->connections` from Open on until it closes.
  void Open();
  // The same, to say 503 and close.
  void OpenToRefuse();
  // Any thread. Closes when the answer under way has ended; now if there is none.
  void Stop();
  // Any thread. Closes now, and the client learns that it was cut.
  void Abort();

  // For ConnectionReply, any thread.
  Outgoing& outgoing() { return outgoing_; }
  bool Post(std::function<void()> work);
  HttpObserver& observer() const { return *context_->observer; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State {
    kReading,    // a request, or waiting for one
    kAnswering,  // the handler's answer
    kClosing,    // the last answer, then until the client closes; what it sends is dropped
    kClosed,
  };

  // Waits for a request of which nothing has come.
  bool idle() const {
    return state_ == State::kReading && parser_.state() == RequestParser::State::kHead &&
           parser_.empty();
  }

  // connection.cc: requests.
  void TuneSocket();
  void AwaitBytes();
  void OnReadable();
  void TakeBytes(absl::string_view bytes);
  void OnEndOfInput();
  void Advance();
  void HandOver();
  bool ChargeBody();
  void Refuse(const HttpError& error);

  // connection_end.cc: answers, time, and the end.
  void Flush();
  void OnWritten(size_t num_bytes);
  void AwaitRoom();
  void OnAnswered();
  void SetDeadline(Clock::time_point deadline);
  void SetDeadlineIn(absl::Duration wait);
  void BeginWriteDeadline();  // if something waits for room; else there is none
  void ArmTimer();
  void OnDeadline();
  void DropStream();
  void Cut();
  void Close();

  // Calls (this->*method)() on the strand.
  void PostCall(void (Connection::*method)());

  const std::shared_ptr<ServerContext> context_;
  Socket socket_;
  Timer timer_;
  std::string peer_;
  RequestParser parser_;
  Outgoing outgoing_;

  State state_ = State::kReading;
  bool awaiting_bytes_ = false;
  bool input_ended_ = false;    // the client will send no more
  bool head_begun_ = false;     // of the request being read
  bool continue_sent_ = false;  // likewise
  bool answered_ = false;       // of kClosing: all is sent
  bool cut_ = false;            // by us
  int64_t charged_bytes_ = 0;   // of context_->body_bytes
  Clock::time_point body_begin_;

  std::string writing_;  // handed to the kernel, from writing_at_ on
  size_t writing_at_ = 0;
  bool awaiting_room_ = false;  // in the kernel, for more of it

  // The timer is set for the earliest deadline that there was and looks again when it fires: moving
  // the deadline on with each write costs nothing.
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point timer_expiry_ = Clock::time_point::max();
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_CONNECTION_H_
