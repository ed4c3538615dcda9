// StopMatcher: looks for stop strings in text that comes piece by piece, and holds back what may
// yet become one.
//
//   StopMatcher matcher({"\n\n", "END"});
//   std::string out = matcher.Append("some text\n");   // "some text": the newline may be half of a
//   stop if (matcher.stopped()) …                           // out ends before the stop string
#ifndef COTERIE_ROUTER_FRONTEND_STOP_MATCHER_H_
#define COTERIE_ROUTER_FRONTEND_STOP_MATCHER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace coterie {

class StopMatcher {
 public:
  // Each is at least one byte; all are UTF-8, so that what is let go is as well.
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // The text that is settled now. After a stop string was found, nothing more.
  std::string Append(absl::string_view text);
  // What was held back, at the end.
  std::string Finish();
  bool stopped() const { return stopped_; }
  // The stop string that was found.
  const std::string& matched() const { return matched_; }

 private:
  size_t HeldBytes() const;

  const std::vector<std::string> stops_;
  std::string held_, matched_;
  bool stopped_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_STOP_MATCHER_H_
