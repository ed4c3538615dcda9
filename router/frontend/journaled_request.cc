#include "router/frontend/journaled_request.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/frontend/proto_requests.h"

namespace coterie {

v1::RequestJournal JournalOf(const v1::GenerateRequest& request, uint64_t seed) {
  v1::RequestJournal journal;
  *journal.mutable_generate() = request;
  journal.set_seed(seed);
  return journal;
}

v1::RequestJournal JournalOf(const v1::ChatRequest& request, uint64_t seed) {
  v1::RequestJournal journal;
  *journal.mutable_chat() = request;
  journal.set_seed(seed);
  return journal;
}

absl::Status ReadJournaled(const v1::RequestJournal& journal, TextRequest* request) {
  if (!journal.has_generate())
    return absl::FailedPreconditionError("the request is one of Chat: resume it with Chat.Resume");
  ASSIGN_OR_RETURN(*request, ReadTextRequest(journal.generate()));
  return absl::OkStatus();
}

absl::Status ReadJournaled(const v1::RequestJournal& journal, ChatRequest* request) {
  if (!journal.has_chat())
    return absl::FailedPreconditionError(
        "the request is one of Generate: resume it with Generator.Resume");
  ASSIGN_OR_RETURN(*request, ReadChatRequest(journal.chat()));
  return absl::OkStatus();
}

absl::Status GoOnFrom(const FoundJournal& found, const v1::ResumeRequest& request,
                      CompletionOptions* options) {
  const auto num_choices = static_cast<size_t>(std::max<int64_t>(options->num_choices, 1));
  if (num_choices > static_cast<size_t>(kChoicesMax))
    return absl::DataLossError(absl::StrCat("the journal's request has ", num_choices, " choices"));
  size_t num_named = static_cast<size_t>(request.received_size());
  for (const uint32_t choice : request.finished())
    num_named = std::max(num_named, choice + size_t{1});
  if (num_named > num_choices) {
    return absl::InvalidArgumentError(absl::StrCat("received and finished name ", num_named,
                                                   " choices, the request has ", num_choices));
  }
  const int64_t max_tokens = found.request.max_tokens();
  if (max_tokens < 1)
    return absl::DataLossError(absl::StrCat("the journal's max_tokens is ", max_tokens));
  auto resumption = std::make_shared<Resumption>();
  resumption->max_tokens = max_tokens;
  resumption->choices.resize(num_choices);
  resumption->drawn.resize(num_choices);
  for (size_t i = 0; i < num_choices; ++i) {
    Resumption::Choice& choice = resumption->choices[i];
    if (const int index = static_cast<int>(i); index < request.received_size())
      choice.num_received = request.received(index);
    if (i >= found.tokens.size()) continue;
    // The last one may have ended the answer: it is drawn again, and ends it again. Log
    // probabilities were not noted down: what the caller lacks is computed again with them.
    int64_t known = std::min(static_cast<int64_t>(found.tokens[i].size()), max_tokens) - 1;
    if (options->logprobs) known = std::min(known, choice.num_received);
    known = std::max<int64_t>(known, 0);
    resumption->drawn[i].assign(found.tokens[i].begin(), found.tokens[i].begin() + known);
  }
  for (const uint32_t choice : request.finished()) resumption->choices[choice].finished = true;
  options->sampling.seed = found.request.seed();
  options->has_seed = true;
  options->resumption = std::move(resumption);
  return absl::OkStatus();
}

}  // namespace coterie
