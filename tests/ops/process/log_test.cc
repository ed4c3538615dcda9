// The log line is read by people and by machines: it must stay one line whatever is in the values.
#include "ops/process/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coterie {
namespace {

TEST(LogTest, LineHasTimeLevelProcessAndEvent) {
  const absl::Time time = absl::FromUnixMillis(1795507200123);
  EXPECT_EQ(FormatLogLine(time, LogLevel::kInfo, "expert_worker", "worker joined shard=0/4"),
            "2026-11-24T08:00:00.123Z I expert_worker worker joined shard=0/4");
  EXPECT_EQ(FormatLogLine(time, LogLevel::kError, "router", "x").substr(25, 1), "E");
}

TEST(LogTest, FieldsPrintPlainlyByType) {
  EXPECT_EQ(FormatLogEvent("step", {{"tokens", 3},
                                    {"bytes", size_t{1} << 40},
                                    {"ratio", 0.25},
                                    {"ok", true},
                                    {"wait", absl::Milliseconds(1500)},
                                    {"name", "é"}}),
            "step tokens=3 bytes=1099511627776 ratio=0.25 ok=true wait=1.5s name=é");
}

TEST(LogTest, ValuesThatWouldBreakTheLineAreQuoted) {
  EXPECT_EQ(FormatLogEvent("failed",
                           {{"error", "no \"file\"\nhere\x01\\"}, {"empty", ""}, {"kv", "a=b"}}),
            "failed error=\"no \\\"file\\\"\\nhere\\x01\\\\\" empty=\"\" kv=\"a=b\"");
}

TEST(LogTest, EventIsOneLine) { EXPECT_EQ(FormatLogEvent("two\nlines", {}), "two lines"); }

TEST(LogTest, LevelBelowTheLeastIsDropped) {
  InitLog("log_test", LogLevel::kWarning);
  ::testing::internal::CaptureStderr();
  LogInfo("not seen");
  LogWarning("seen", {{"n", 1}});
  const std::string output = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(output, ::testing::EndsWith(" W log_test seen n=1\n"));
  EXPECT_THAT(output, ::testing::Not(::testing::HasSubstr("not seen")));
}

}  // namespace
}  // namespace coterie
