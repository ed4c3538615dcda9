#include "tests/router/openai/sse_reader.h"

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/check.h"

namespace coterie {

std::vector<SseRecord> ReadEvents(absl::string_view stream) {
  std::vector<SseRecord> records;
  if (stream.empty()) return records;
  CHECK(absl::EndsWith(stream, "\n\n"));
  for (absl::string_view block : absl::StrSplit(absl::StripSuffix(stream, "\n\n"), "\n\n")) {
    SseRecord record;
    bool is_comment = false;
    for (absl::string_view line : absl::StrSplit(block, '\n')) {
      if (absl::ConsumePrefix(&line, ":")) {
        is_comment = true;
      } else if (absl::ConsumePrefix(&line, "event: ")) {
        CHECK(record.name.empty());
        record.name = std::string(line);
      } else {
        CHECK(absl::ConsumePrefix(&line, "data: ")) << line;
        CHECK(record.data.empty());
        record.data = std::string(line);
      }
    }
    if (is_comment) continue;
    CHECK(!record.data.empty()) << block;
    records.push_back(record);
  }
  return records;
}

std::vector<ChatJson> ReadEventJson(absl::string_view stream) {
  std::vector<ChatJson> events;
  bool done = false;
  for (const SseRecord& record : ReadEvents(stream)) {
    CHECK(!done) << record.data;
    done = record.data == "[DONE]";
    if (done) continue;
    auto json = ParseChatJson(record.data);
    CHECK(json.ok()) << record.data;
    if (!record.name.empty()) CHECK_EQ(record.name, json->at("type").get<std::string>());
    events.push_back(*std::move(json));
  }
  return events;
}

}  // namespace coterie
