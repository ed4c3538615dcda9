// CheckGemmaForm: which of the many things a tokenizer.json can ask for we do.
#include <iterator>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/tokenizer_json.h"
#include "model/utf8.h"

namespace coterie::internal {
namespace {

using simdjson::dom::element;

// The type of a component, which may be absent: "", "Replace", "Sequence".
absl::StatusOr<absl::string_view> ComponentType(const element& component, absl::string_view what) {
  simdjson::dom::object object;
  if (component.get(object) != simdjson::SUCCESS) return WrongType(what, "an object", component);
  return StringMember(object, "type");
}

// The members of a component of type Sequence, or the component itself; nothing when it is absent.
absl::StatusOr<std::vector<element>> Steps(const simdjson::dom::object& root, std::string_view key,
                                           std::string_view list_key) {
  const auto component = Member(root, key);
  if (!component) return std::vector<element>();
  ASSIGN_OR_RETURN(const absl::string_view type, ComponentType(*component, Text(key)));
  if (type != "Sequence") return std::vector<element>{*component};
  simdjson::dom::object sequence;
  if (component->get(sequence) != simdjson::SUCCESS)
    return WrongType(Text(key), "an object", *component);
  ASSIGN_OR_RETURN(const simdjson::dom::array list, ArrayMember(sequence, list_key));
  return std::vector<element>(list.begin(), list.end());
}

// True for {"type": `type`, "pattern": {"String": `pattern`}, "content": `content`}.
absl::StatusOr<bool> IsStep(const element& step, absl::string_view what, absl::string_view type,
                            absl::string_view pattern, absl::string_view content) {
  ASSIGN_OR_RETURN(const absl::string_view step_type, ComponentType(step, what));
  if (step_type != type) return false;
  simdjson::dom::object object;
  if (step.get(object) != simdjson::SUCCESS) return false;
  ASSIGN_OR_RETURN(const simdjson::dom::object patterns, ObjectMember(object, "pattern"));
  ASSIGN_OR_RETURN(const absl::string_view text, StringMember(patterns, "String"));
  ASSIGN_OR_RETURN(const absl::string_view replacement, StringMember(object, "content"));
  return text == pattern && replacement == content;
}

absl::Status OtherStep(absl::string_view what, const element& step) {
  ASSIGN_OR_RETURN(const absl::string_view type, ComponentType(step, what));
  return OtherForm(
      absl::StrCat("the ", what, " has ", QuoteForMessage(type), " or its settings are others"));
}

absl::Status CheckNormalizer(const simdjson::dom::object& root) {
  ASSIGN_OR_RETURN(const std::vector<element> steps, Steps(root, "normalizer", "normalizers"));
  if (steps.size() != 1)
    return OtherForm(
        absl::StrCat("the normalizer has ", steps.size(), " steps instead of one Replace"));
  ASSIGN_OR_RETURN(const bool replace, IsStep(steps[0], "normalizer", "Replace", " ", "▁"));
  return replace ? absl::OkStatus() : OtherStep("normalizer", steps[0]);
}

// A split at spaces does nothing, since the normaliser has left none, and its behaviour does not
// matter. Inverted, it would take the whole text for a separator.
absl::Status CheckPreTokenizer(const simdjson::dom::object& root) {
  ASSIGN_OR_RETURN(const std::vector<element> steps, Steps(root, "pre_tokenizer", "pretokenizers"));
  for (const element& step : steps) {
    ASSIGN_OR_RETURN(const bool split, IsStep(step, "pre_tokenizer", "Split", " ", ""));
    if (!split) return OtherStep("pre_tokenizer", step);
    ASSIGN_OR_RETURN(const bool inverted, BoolMember(step.get_object().value(), "invert", false));
    if (inverted) return OtherStep("pre_tokenizer", step);
  }
  return absl::OkStatus();
}

// ▁ → space, then byte tokens → bytes, then one text: what Detokenizer does.
absl::Status CheckDecoder(const simdjson::dom::object& root) {
  constexpr absl::string_view kTypes[] = {"Replace", "ByteFallback", "Fuse"};
  ASSIGN_OR_RETURN(const std::vector<element> steps, Steps(root, "decoder", "decoders"));
  for (size_t i = 0; i < steps.size(); ++i) {
    ASSIGN_OR_RETURN(const absl::string_view type, ComponentType(steps[i], "decoder"));
    if (i >= std::size(kTypes) || type != kTypes[i]) return OtherStep("decoder", steps[i]);
  }
  if (steps.size() != std::size(kTypes)) {
    return OtherForm(absl::StrCat("the decoder has ", steps.size(),
                                  " steps instead of Replace, ByteFallback and Fuse"));
  }
  ASSIGN_OR_RETURN(const bool replace, IsStep(steps[0], "decoder", "Replace", "▁", " "));
  return replace ? absl::OkStatus() : OtherStep("decoder", steps[0]);
}

absl::Status CheckModel(const simdjson::dom::object& root) {
  ASSIGN_OR_RETURN(const simdjson::dom::object model, ObjectMember(root, "model"));
  ASSIGN_OR_RETURN(const absl::string_view type, StringMember(model, "type"));
  if (type != "BPE") return OtherForm(absl::StrCat("model.type is ", QuoteForMessage(type)));
  for (std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    ASSIGN_OR_RETURN(const absl::string_view affix, StringMember(model, key));
    if (!affix.empty())
      return OtherForm(absl::StrCat("model.", Text(key), " is ", QuoteForMessage(affix)));
  }
  ASSIGN_OR_RETURN(const bool ignore_merges, BoolMember(model, "ignore_merges", false));
  if (ignore_merges) return OtherForm("model.ignore_merges is true");
  const auto dropout = Member(model, "dropout");
  double share = 0;
  if (dropout && (dropout->get(share) != simdjson::SUCCESS || share != 0))
    return OtherForm("model.dropout is not 0");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckGemmaForm(const simdjson::dom::object& root) {
  RETURN_IF_ERROR(CheckModel(root));
  RETURN_IF_ERROR(CheckNormalizer(root));
  RETURN_IF_ERROR(CheckPreTokenizer(root));
  return CheckDecoder(root);
}

}  // namespace coterie::internal
