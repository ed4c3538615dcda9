// The log: one line per event on stderr, as `time level process event key=value …`:
//
//   2026-11-24T08:00:00.123Z I expert_worker worker joined address=10.0.0.7:9000 shard=0/4
//
// The first words name the event and are a constant; what varies is a field. Values with spaces,
// quotes or control characters are quoted, so that a line is always one line. Per-token and
// per-step detail is debug.
//
//   LogInfo("worker joined", {{"address", address}, {"experts", num_experts}});
//
// Thread-safe. Before InitLog the process is called "coterie" and the level is info.
#ifndef COTERIE_OPS_PROCESS_LOG_H_
#define COTERIE_OPS_PROCESS_LOG_H_

#include <concepts>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace coterie {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// A field's value, as text. Numbers print plainly, booleans as true and false, durations as `1.5s`.
class LogValue {
 public:
  LogValue(absl::string_view text) : text_(text) {}          // NOLINT(google-explicit-constructor)
  LogValue(const std::string& text) : text_(text) {}         // NOLINT(google-explicit-constructor)
  LogValue(const char* text) : text_(text) {}                // NOLINT(google-explicit-constructor)
  LogValue(bool value) : text_(value ? "true" : "false") {}  // NOLINT(google-explicit-constructor)
  LogValue(absl::Duration value);                            // NOLINT(google-explicit-constructor)
  LogValue(double value);                                    // NOLINT(google-explicit-constructor)
  LogValue(float value)
      : LogValue(static_cast<double>(value)) {}  // NOLINT(google-explicit-constructor)
  template <std::integral T>
  LogValue(T value) : text_(std::to_string(value)) {}  // NOLINT(google-explicit-constructor)

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct LogField {
  absl::string_view key;
  LogValue value;
};

using LogFields = std::initializer_list<LogField>;

// Names this process in every line and drops events below `level`. Called once, at the start of
// main.
void InitLog(absl::string_view process_name, LogLevel level = LogLevel::kInfo);

void LogDebug(absl::string_view event, LogFields fields = {});
void LogInfo(absl::string_view event, LogFields fields = {});
void LogWarning(absl::string_view event, LogFields fields = {});
void LogError(absl::string_view event, LogFields fields = {});

// The event and its fields as they stand in the line, after the process name.
std::string FormatLogEvent(absl::string_view event, LogFields fields);

// The whole line, without its end.
std::string FormatLogLine(absl::Time time, LogLevel level, absl::string_view process_name,
                          absl::string_view message);

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_LOG_H_
