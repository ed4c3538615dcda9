#include "router/journal/request_journals.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/journal/journal_name.h"
#include "router/journal/request_log.h"
#include "router/sampling/new_seed.h"

namespace coterie {
namespace {

JournalNames NamesOf(const std::string& tenant, const v1::RequestJournal& journal) {
  return NamesOfJournals(
      tenant, journal.has_chat() ? journal.chat().request_id() : journal.generate().request_id());
}

// The answers to both questions of one Find.
struct Answers {
  std::mutex mu;  // guards what follows
  int num_waiting = 2;
  absl::StatusOr<StoredJournal> request = absl::UnknownError("not answered");
  absl::StatusOr<StoredJournal> tokens = absl::UnknownError("not answered");
};

absl::StatusOr<FoundJournal> ReadJournals(const Answers& answers,
                                          const std::vector<std::string>& root_fields) {
  if (!answers.request.ok()) return answers.request.status();
  FoundJournal found;
  if (!found.request.ParseFromString(answers.request->bytes) ||
      found.request.request_case() == v1::RequestJournal::REQUEST_NOT_SET) {
    return absl::DataLossError(absl::StrCat("the journal is none: ", answers.request->bytes.size(),
                                            " bytes of another version, or damaged"));
  }
  if (!std::equal(root_fields.begin(), root_fields.end(), found.request.root_fields().begin(),
                  found.request.root_fields().end())) {
    return absl::FailedPreconditionError(
        "the request was begun by a router of another model, format or kv type: resume it on one "
        "like that");
  }
  found.version = answers.request->version;
  if (!answers.tokens.ok()) return found;
  found.version = std::max(found.version, answers.tokens->version);
  v1::TokenJournal tokens;
  // Tokens of an earlier request of that name are none.
  if (!tokens.ParseFromString(answers.tokens->bytes) || tokens.run() != found.request.run())
    return found;
  for (const v1::TokenIds& choice : tokens.choices())
    found.tokens.emplace_back(choice.ids().begin(), choice.ids().end());
  return found;
}

}  // namespace

struct RequestJournals::Finds {
  std::mutex mu;  // guards what follows
  std::condition_variable ended;
  int num_under_way = 0;
};

RequestJournals::RequestJournals(BlockStore* store, Options options, JournalMetrics* metrics)
    : store_(store),
      options_(std::move(options)),
      metrics_(metrics),
      finds_(std::make_shared<Finds>()),
      writer_(std::make_shared<JournalWriter>(store, options_.interval, options_.keep, metrics)) {}

std::shared_ptr<TokenLog> RequestJournals::Open(const std::string& tenant,
                                                v1::RequestJournal journal, size_t num_choices) {
  const JournalNames names = NamesOf(tenant, journal);
  journal.set_run(NewSeed());
  for (const std::string& field : options_.root_fields) journal.add_root_fields(field);
  v1::TokenJournal tokens;
  tokens.set_run(journal.run());
  for (size_t i = 0; i < num_choices; ++i) tokens.add_choices();
  return std::make_shared<RequestLog>(writer_, names, std::move(journal), std::move(tokens), 0);
}

std::shared_ptr<TokenLog> RequestJournals::Reopen(const std::string& tenant,
                                                  const FoundJournal& found,
                                                  const std::vector<std::vector<int32_t>>& tokens) {
  v1::TokenJournal journal;
  journal.set_run(found.request.run());
  for (const std::vector<int32_t>& choice : tokens)
    journal.add_choices()->mutable_ids()->Add(choice.begin(), choice.end());
  return std::make_shared<RequestLog>(writer_, NamesOf(tenant, found.request), found.request,
                                      std::move(journal), found.version);
}

void RequestJournals::Find(const std::string& tenant, const std::string& request_id,
                           absl::Time deadline, FindDone done) const {
  const JournalNames names = NamesOfJournals(tenant, request_id);
  const auto answers = std::make_shared<Answers>();
  {
    std::lock_guard<std::mutex> lock(finds_->mu);
    ++finds_->num_under_way;
  }
  const auto answered = [answers, done = std::move(done), finds = finds_, metrics = metrics_,
                         root_fields = options_.root_fields](
                            absl::StatusOr<StoredJournal> Answers::*which,
                            absl::StatusOr<StoredJournal> answer) {
    {
      std::lock_guard<std::mutex> lock(answers->mu);
      *answers.*which = std::move(answer);
      if (--answers->num_waiting > 0) return;
    }
    absl::StatusOr<FoundJournal> found = ReadJournals(*answers, root_fields);
    (found.ok() ? metrics->found : metrics->not_found).Increment();
    done(std::move(found));
    std::lock_guard<std::mutex> lock(finds->mu);
    --finds->num_under_way;
    finds->ended.notify_all();
  };
  store_->GetJournal(names.request, deadline, [answered](absl::StatusOr<StoredJournal> answer) {
    answered(&Answers::request, std::move(answer));
  });
  store_->GetJournal(names.tokens, deadline, [answered](absl::StatusOr<StoredJournal> answer) {
    answered(&Answers::tokens, std::move(answer));
  });
}

void RequestJournals::WaitForFinds() const {
  std::unique_lock<std::mutex> lock(finds_->mu);
  finds_->ended.wait(lock, [&] { return finds_->num_under_way == 0; });
}

}  // namespace coterie
