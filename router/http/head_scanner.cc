#include "router/http/head_scanner.h"

namespace coterie {
namespace {

// Beside the target: the method, the version and two spaces.
constexpr size_t kRequestLineRest = 48;
constexpr char kTlsHandshake = 0x16;

}  // namespace

bool HeadScanner::Refuse(HttpError error) {
  error_ = error;
  done_ = true;
  return true;
}

bool HeadScanner::Scan(absl::string_view bytes) {
  for (; !done_ && at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (after_cr_) {
      if (c != '\n') return Refuse({400, "a carriage return stands alone in the header"});
      after_cr_ = false;
      if (EndLine()) break;
    } else if (c == '\r') {
      after_cr_ = true;
    } else if (c == '\n') {
      return Refuse({400, "a line of the header ends without a carriage return"});
    } else if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f') {
      return Refuse(at_ == 0 && c == kTlsHandshake
                        ? HttpError{400, "this port speaks plain HTTP, not TLS"}
                        : HttpError{400, "there is a control character in the header"});
    } else if (at_ == line_begin_ && (c == ' ' || c == '\t')) {
      return Refuse({400, "a line of the header begins with a space"});
    } else if (TooLong()) {
      break;
    }
  }
  return done_;
}

// Of the line that `at_` ends. True when it was the last.
bool HeadScanner::EndLine() {
  const bool empty = at_ - line_begin_ == 1;
  line_begin_ = at_ + 1;
  if (empty && num_lines_ == 0) {
    if (head_begin_ != 0) return Refuse({400, "there are empty lines before the request"});
    head_begin_ = line_begin_;
    return false;
  }
  if (empty) {
    ++at_;
    done_ = true;
    return true;
  }
  // The first is the request line.
  if (num_lines_++ > limits_.num_headers) return Refuse({431, "there are too many header fields"});
  return false;
}

bool HeadScanner::TooLong() {
  if (num_lines_ == 0 && at_ - line_begin_ >= limits_.target_bytes + kRequestLineRest)
    return Refuse({414, "the request target is too long"});
  if (at_ - head_begin_ >= limits_.head_bytes) return Refuse({431, "the header is too long"});
  return false;
}

}  // namespace coterie
