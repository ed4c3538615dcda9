// Outgoing: the answer under way on one connection, between the threads that write it and the one
// that owns the socket.
//
// Each answer has a ticket, from Open. A writer that comes late, with the ticket of an answer that
// has ended or whose client is gone, is told so (false) and does nothing.
//
// Thread-safe; the first half of the methods is the owner's. `wake` is called under the
// lock and only posts. Close ends that: what is posted is posted before the connection has closed,
// so the threads that run it are still there.
#ifndef COTERIE_ROUTER_HTTP_OUTGOING_H_
#define COTERIE_ROUTER_HTTP_OUTGOING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "router/http/http_reply.h"

namespace coterie {

// What the request says about its answer.
struct AnswerTerms {
  bool to_head = false;  // to HEAD: no body is sent
  bool http_1_0 = false;
  bool keep_alive = true;
};

class Outgoing {
 public:
  enum class Wake {
    kFlush,  // there is something to send, or the answer has ended
    kDrop,   // nothing more will come: the connection must be cut
  };

  Outgoing(size_t stream_buffer_bytes, std::function<void(Wake)> wake);

  uint64_t Open(AnswerTerms terms);
  // Moves what is to be sent next into `bytes`, which is empty; leaves it so when there is nothing.
  void Take(std::string* bytes);
  // The kernel took `num_bytes` of what was taken.
  void Sent(size_t num_bytes);
  // True once, when the answer has ended and everything was sent.
  bool Finish();
  // Nothing more will be written to the answer.
  bool ended() const;
  // Whether the connection may be used again, after it.
  bool keep_alive() const;
  // Answers begun from here on say that they are the last.
  void LetAnswersBeLast();
  // Sends these bytes before what comes next. Only while no answer has begun.
  void Interim(absl::string_view bytes);
  struct Closed {
    bool unfinished = false;         // the answer had not ended
    std::function<void()> callback;  // to be called then; may be null
  };
  Closed Close();

  bool Send(uint64_t ticket, const ReplyHead& head, absl::string_view body);
  bool Begin(uint64_t ticket, const ReplyHead& head);
  // More than may gather: false, and the connection is to be dropped.
  bool Write(uint64_t ticket, absl::string_view bytes);
  bool End(uint64_t ticket);
  // Nobody will write any more. True when the answer had not even begun: it must be given.
  bool Abandon(uint64_t ticket);
  void OnClosed(uint64_t ticket, std::function<void()> closed);
  // Runs `post` under the lock, if the connection is open.
  bool WhileOpen(const std::function<void()>& post);
  size_t buffered_bytes(uint64_t ticket) const;
  bool overflowed() const;

 private:
  enum class Phase { kIdle, kAwaited, kStreaming, kEnded, kDropped, kClosed };

  // All of these require mu_.
  bool Is(uint64_t ticket, Phase phase) const { return ticket == ticket_ && phase_ == phase; }
  void Append(absl::string_view bytes);
  void Flush();
  void Drop();
  size_t buffered() const { return pending_.size() + in_flight_bytes_; }

  const size_t stream_buffer_bytes_;
  const std::function<void(Wake)> wake_;

  mutable std::mutex mu_;
  // Guarded by mu_.
  Phase phase_ = Phase::kIdle;
  uint64_t ticket_ = 0;
  AnswerTerms terms_;
  std::string pending_;         // not yet taken
  size_t in_flight_bytes_ = 0;  // taken, not yet sent
  bool flush_due_ = false;      // woken, and Take has not come
  bool let_be_last_ = false;
  bool overflowed_ = false;
  std::function<void()> on_closed_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_OUTGOING_H_
