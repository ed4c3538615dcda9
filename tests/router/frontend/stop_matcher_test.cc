#include "router/frontend/stop_matcher.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

// Whatever the pieces, the text before the first stop string comes out, and nothing after it.
TEST(StopMatcherTest, FindsStopsAcrossEverySplit) {
  const std::string text = "one two\n\nthree END four";
  for (const std::string stop : {"\n\n", "END", "ee E", "four", "o", "zzz"}) {
    const std::string expected = text.substr(0, text.find(stop));
    for (size_t first = 0; first <= text.size(); ++first) {
      for (size_t second = first; second <= text.size(); ++second) {
        StopMatcher matcher({"never", stop});
        std::string out = matcher.Append(text.substr(0, first));
        out += matcher.Append(text.substr(first, second - first));
        out += matcher.Append(text.substr(second));
        if (!matcher.stopped()) out += matcher.Finish();
        ASSERT_EQ(out, expected) << stop << " split at " << first << " and " << second;
      }
    }
  }
}

TEST(StopMatcherTest, HoldsBackNoMoreThanMayBecomeAStop) {
  StopMatcher matcher({"abc"});
  EXPECT_EQ(matcher.Append("xab"), "x");
  EXPECT_EQ(matcher.Append("d"), "abd");
}

}  // namespace
}  // namespace coterie
