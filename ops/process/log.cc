#include "ops/process/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace coterie {
namespace {

char LevelLetter(LogLevel level) { return "DIWE"[static_cast<int>(level)]; }

// Bytes above 0x7f are UTF-8 and stay as they are.
bool IsPlain(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte != 0x7f && c != '"' && c != '\\' && c != '=';
}

void AppendEscaped(std::string* out, char c) {
  if (c == '"' || c == '\\') {
    absl::StrAppend(out, "\\", std::string(1, c));
  } else if (c == '\n') {
    out->append("\\n");
  } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
    absl::StrAppendFormat(out, "\\x%02x", static_cast<unsigned char>(c));
  } else {
    out->push_back(c);
  }
}

void AppendValue(std::string* out, absl::string_view text) {
  if (!text.empty() && std::all_of(text.begin(), text.end(), IsPlain)) {
    absl::StrAppend(out, text);
    return;
  }
  out->push_back('"');
  for (const char c : text) AppendEscaped(out, c);
  out->push_back('"');
}

// The name and level may be set while other threads log only at the start of main, before there are
// any; the mutex is for tests.
struct State {
  std::mutex mu;
  std::string process_name = "coterie";
  LogLevel level = LogLevel::kInfo;
  // spdlog writes each line whole, under its own lock. The line is formatted here, so that a test
  // can see it.
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(
      "coterie", std::make_shared<spdlog::sinks::stderr_sink_mt>());

  State() {
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
  }
};

State& TheState() {
  static State* state = new State;  // never destroyed: threads may log while the process exits
  return *state;
}

void Log(LogLevel level, absl::string_view event, LogFields fields) {
  State& state = TheState();
  std::string line;
  {
    std::lock_guard lock(state.mu);
    if (level < state.level) return;
    line = FormatLogLine(absl::Now(), level, state.process_name, FormatLogEvent(event, fields));
  }
  state.logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

LogValue::LogValue(absl::Duration value) : text_(absl::FormatDuration(value)) {}
LogValue::LogValue(double value) : text_(absl::StrCat(value)) {}

void InitLog(absl::string_view process_name, LogLevel level) {
  State& state = TheState();
  std::lock_guard lock(state.mu);
  state.process_name = std::string(process_name);
  state.level = level;
}

void LogDebug(absl::string_view event, LogFields fields) { Log(LogLevel::kDebug, event, fields); }
void LogInfo(absl::string_view event, LogFields fields) { Log(LogLevel::kInfo, event, fields); }
void LogWarning(absl::string_view event, LogFields fields) {
  Log(LogLevel::kWarning, event, fields);
}
void LogError(absl::string_view event, LogFields fields) { Log(LogLevel::kError, event, fields); }

std::string FormatLogEvent(absl::string_view event, LogFields fields) {
  std::string out;
  for (const char c : event) out.push_back(c == '\n' || c == '\r' ? ' ' : c);
  for (const LogField& field : fields) {
    absl::StrAppend(&out, " ", field.key, "=");
    AppendValue(&out, field.value.text());
  }
  return out;
}

std::string FormatLogLine(absl::Time time, LogLevel level, absl::string_view process_name,
                          absl::string_view message) {
  return absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()), " ",
                      std::string(1, LevelLetter(level)), " ", process_name, " ", message);
}

}  // namespace coterie
