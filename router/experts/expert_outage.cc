#include "router/experts/expert_outage.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace coterie {
namespace {

constexpr char kPayload[] = "coterie.v1.ExpertOutage";

}  // namespace

absl::Status ExpertOutage(ExpertId expert, absl::string_view detail) {
  absl::Status status = absl::UnavailableError(absl::StrCat(
      "no connected worker holds expert ", expert.expert, " of layer ", expert.layer, detail));
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(expert.layer, " ", expert.expert)));
  return status;
}

std::optional<ExpertId> MissingExpert(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return std::nullopt;
  const std::pair<std::string, std::string> halves = absl::StrSplit(std::string(*payload), ' ');
  ExpertId expert;
  if (!absl::SimpleAtoi(halves.first, &expert.layer) ||
      !absl::SimpleAtoi(halves.second, &expert.expert))
    return std::nullopt;
  return expert;
}

}  // namespace coterie
