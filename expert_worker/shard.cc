#include "expert_worker/shard.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

struct Range {
  int64_t first = 0;
  int64_t last = 0;
};

// "7" or "3-7", within [0, limit).
absl::StatusOr<Range> ParseRange(absl::string_view text, int64_t limit, absl::string_view what) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '-');
  Range range;
  if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &range.first) ||
      !absl::SimpleAtoi(ends.back(), &range.last)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shard: \"", text, "\" is not a number or a range of ", what, "s such as 0-31"));
  }
  if (range.first < 0 || range.last < range.first || range.last >= limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("shard: ", what, "s \"", text, "\" are not within 0-", limit - 1));
  }
  return range;
}

// Whether one of the copies of `expert` is in shard `index` of `count`.
bool IsInShard(int64_t expert, int64_t num_experts, int64_t index, int64_t count, int64_t copies) {
  const int64_t first = expert * count / num_experts;
  if (first == index) return true;
  // Counted from the first shard on, the others in a circle that begins one further for each expert
  // of the shard.
  const int64_t in_shard = expert - (first * num_experts + count - 1) / count;
  const int64_t others = count - 1;
  const int64_t distance = (index - first - 1 + count) % count;  // 0 to others - 1
  return (distance - in_shard % others + others) % others < copies - 1;
}

}  // namespace

Shard::Shard(int64_t num_layers, int64_t num_experts)
    : num_experts_(num_experts), held_(static_cast<size_t>(num_layers * num_experts)) {}

absl::StatusOr<Shard> Shard::Parse(absl::string_view text, int64_t num_layers,
                                   int64_t num_experts) {
  Shard shard(num_layers, num_experts);
  shard.text_ = std::string(text);
  const std::vector<absl::string_view> fraction = absl::StrSplit(text, '/');
  if (fraction.size() == 2) {
    const std::vector<absl::string_view> counts = absl::StrSplit(fraction[1], 'x');
    int64_t index = 0, count = 0, copies = 1;
    if (!absl::SimpleAtoi(fraction[0], &index) || !absl::SimpleAtoi(counts[0], &count) ||
        count < 1 || count > num_experts || index < 0 || index >= count || counts.size() > 2 ||
        (counts.size() == 2 && !absl::SimpleAtoi(counts[1], &copies)) || copies < 1 ||
        copies > count) {
      return absl::InvalidArgumentError(
          absl::StrCat("shard: \"", text, "\" is not i/n with 0 <= i < n <= ", num_experts,
                       ", or i/nxC with 1 <= C <= n"));
    }
    for (int64_t i = 0; i < num_layers * num_experts; ++i) {
      shard.held_[static_cast<size_t>(i)] =
          IsInShard(i % num_experts, num_experts, index, count, copies);
    }
    return shard;
  }
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    const std::vector<absl::string_view> halves = absl::StrSplit(part, ':');
    if (halves.size() > 2)
      return absl::InvalidArgumentError(
          absl::StrCat("shard: \"", part, "\" has more than one ':'"));
    Range layers{0, num_layers - 1};
    if (halves.size() == 2) {
      ASSIGN_OR_RETURN(layers, ParseRange(halves.front(), num_layers, "layer"));
    }
    for (absl::string_view run : absl::StrSplit(halves.back(), ',')) {
      ASSIGN_OR_RETURN(const Range experts, ParseRange(run, num_experts, "expert"));
      for (int64_t layer = layers.first; layer <= layers.last; ++layer) {
        for (int64_t expert = experts.first; expert <= experts.last; ++expert) {
          shard.held_[static_cast<size_t>(layer * num_experts + expert)] = true;
        }
      }
    }
  }
  return shard;
}

absl::StatusOr<Shard> Shard::FromBitmap(absl::string_view bitmap, int64_t num_layers,
                                        int64_t num_experts) {
  Shard shard(num_layers, num_experts);
  const size_t num_bits = shard.held_.size();
  if (bitmap.size() != (num_bits + 7) / 8) {
    return absl::InvalidArgumentError(absl::StrCat("a bitmap of ", num_bits, " experts has ",
                                                   (num_bits + 7) / 8, " bytes, found ",
                                                   bitmap.size()));
  }
  for (size_t bit = 0; bit < num_bits; ++bit)
    shard.held_[bit] = (static_cast<unsigned char>(bitmap[bit / 8]) >> (bit % 8)) & 1;
  return shard;
}

int64_t Shard::num_held() const { return std::count(held_.begin(), held_.end(), true); }

std::string Shard::Bitmap() const {
  std::string bitmap((held_.size() + 7) / 8, '\0');
  for (size_t bit = 0; bit < held_.size(); ++bit) {
    if (held_[bit]) bitmap[bit / 8] = static_cast<char>(bitmap[bit / 8] | (1 << (bit % 8)));
  }
  return bitmap;
}

}  // namespace coterie
