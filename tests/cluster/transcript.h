// Transcript: what a client has of one choice of an answer.
//
//   std::vector<Transcript> transcripts;
//   for (const v1::ChatReply& reply : replies) Take(reply, &transcripts);
#ifndef COTERIE_TESTS_CLUSTER_TRANSCRIPT_H_
#define COTERIE_TESTS_CLUSTER_TRANSCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/chat.pb.h"
#include "proto/generate.pb.h"

namespace coterie {

struct Transcript {
  std::vector<int32_t> tokens;
  std::vector<std::pair<std::string, std::string>>
      parts;  // kind, text; neighbours of a kind joined
  std::vector<std::string> logprobs;
  int finish_reason = 0;
  std::string matched_stop;
  int stop_id = -1;

  friend bool operator==(const Transcript&, const Transcript&) = default;

  void Add(const std::string& kind, const std::string& text) {
    if (text.empty()) return;
    if (parts.empty() || parts.back().first != kind) parts.emplace_back(kind, "");
    parts.back().second += text;
  }
};
inline std::ostream& operator<<(std::ostream& out, const Transcript& t) {
  out << t.tokens.size() << " tokens";
  for (const auto& [kind, text] : t.parts) out << " | " << kind << ": " << text;
  return out << " | finish " << t.finish_reason << " " << t.matched_stop << " " << t.stop_id;
}

inline void TakeParts(const v1::GenerateReply& reply, Transcript* out) {
  out->Add("text", reply.text());
}
inline void TakeParts(const v1::ChatReply& reply, Transcript* out) {
  for (const v1::ChatPart& part : reply.parts()) {
    switch (part.part_case()) {
      case v1::ChatPart::kReasoning:
        out->Add("reasoning", part.reasoning());
        break;
      case v1::ChatPart::kContent:
        out->Add("content", part.content());
        break;
      case v1::ChatPart::kCallArguments:
        out->Add(absl::StrCat("arguments ", part.call_arguments().index()),
                 part.call_arguments().json());
        break;
      default:
        out->Add("other", part.ShortDebugString());
    }
  }
}

template <typename R>
void Take(const R& reply, std::vector<Transcript>* transcripts) {
  if (transcripts->size() <= reply.choice()) transcripts->resize(reply.choice() + 1);
  Transcript& out = (*transcripts)[reply.choice()];
  for (const v1::GeneratedToken& token : reply.tokens()) {
    out.tokens.push_back(token.id());
    if (token.top_size() > 0) out.logprobs.push_back(token.ShortDebugString());
  }
  TakeParts(reply, &out);
  if (reply.finish_reason() == v1::FINISH_REASON_NONE) return;
  out.finish_reason = reply.finish_reason();
  out.matched_stop = reply.matched_stop();
  if (reply.has_stop_id()) out.stop_id = reply.stop_id();
}

}  // namespace coterie

#endif  // COTERIE_TESTS_CLUSTER_TRANSCRIPT_H_
