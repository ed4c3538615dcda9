#include "router/frontend/tenants.h"

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/status_macros.h"
#include "router/frontend/completion_options.h"

namespace coterie {

absl::StatusOr<Tenants> Tenants::Load(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file)
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read (--api_keys_file)"));
  absl::StatusOr<Tenants> tenants = Parse(text.str());
  if (!tenants.ok()) return Annotate(tenants.status(), path);
  return tenants;
}

absl::StatusOr<Tenants> Tenants::Parse(absl::string_view text) {
  Tenants result;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line.substr(0, line.find('#')), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    double weight = 1;
    if (words.size() > 4 || words.size() < 2)
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " has ", words.size(),
                       " words, expected TENANT KEY [WEIGHT [PRIORITY]]"));
    int priority = 0;
    if (words.size() == 4 && (!absl::SimpleAtoi(words[3], &priority) || priority < -kPriorityMax ||
                              priority > kPriorityMax))
      return absl::InvalidArgumentError(absl::StrCat("line ", number,
                                                     ": the priority is not a number of ",
                                                     -kPriorityMax, " to ", kPriorityMax));
    if (words.size() >= 3 &&
        (!absl::SimpleAtod(words[2], &weight) || !(weight >= 0.001) || !(weight <= 1000)))
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": the weight is not a number of 0.001 to 1000"));
    if (!result.tenants_.emplace(words[1], words[0]).second)
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " repeats a key"));
    if (priority != 0) result.priorities_[std::string(words[0])] = priority;
    if (weight != 1) result.weights_[std::string(words[0])] = weight;
  }
  if (result.tenants_.empty())
    return absl::InvalidArgumentError("there is no key: nobody could call");
  return result;
}

int Tenants::PriorityMaxOf(absl::string_view tenant) const {
  if (tenants_.empty()) return kPriorityMax;
  const auto found = priorities_.find(tenant);
  return found == priorities_.end() ? 0 : found->second;
}

absl::StatusOr<std::string> Tenants::TenantOf(absl::string_view key) const {
  if (tenants_.empty()) return std::string();
  const auto found = tenants_.find(key);
  if (found != tenants_.end()) return found->second;
  return absl::UnauthenticatedError(key.empty() ? "no API key: send `Authorization: Bearer KEY`"
                                                : "the API key is not known");
}

absl::StatusOr<std::string> Tenants::TenantOfAuthorization(absl::string_view value) const {
  constexpr absl::string_view kBearer = "bearer ";
  if (absl::StartsWithIgnoreCase(value, kBearer)) value.remove_prefix(kBearer.size());
  return TenantOf(absl::StripAsciiWhitespace(value));
}

}  // namespace coterie
