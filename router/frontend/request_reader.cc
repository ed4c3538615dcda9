#include "router/frontend/request_reader.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

uint64_t NewSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

absl::StatusOr<std::vector<int32_t>> ReadPrompt(const v1::GenerateRequest& request,
                                                const ModelConfig& config,
                                                const Tokenizer& tokenizer) {
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText: {
      if (request.text().empty())
        return Invalid("text is empty: a prompt has at least one character");
      absl::StatusOr<std::vector<int32_t>> encoded = tokenizer.Encode(
          request.text(), request.plain_text() ? ControlTokens::kPlainText : ControlTokens::kParse);
      if (!encoded.ok()) return Annotate(encoded.status(), "text");
      // <bos> exactly once, whether the caller's template has written it or not.
      if (encoded->empty() || encoded->front() != config.bos_id)
        encoded->insert(encoded->begin(), config.bos_id);
      return encoded;
    }
    case v1::GenerateRequest::kTokens: {
      std::vector<int32_t> tokens(request.tokens().ids().begin(), request.tokens().ids().end());
      if (tokens.empty()) return Invalid("tokens is empty: a prompt has at least one token");
      for (size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i] < 0 || tokens[i] >= config.vocab_size)
          return Invalid("tokens[", i, "] is ", tokens[i], ", the vocabulary has ids 0 to ",
                         config.vocab_size - 1);
      }
      return tokens;
    }
    default:
      return Invalid("no prompt: set text or tokens");
  }
}

absl::Status CheckStops(const v1::GenerateRequest& request, const ModelConfig& config) {
  if (request.stop_size() > kStopStringsMax)
    return Invalid("stop has ", request.stop_size(), " strings, at most ", kStopStringsMax,
                   " are taken");
  for (int i = 0; i < request.stop_size(); ++i) {
    const size_t size = request.stop(i).size();
    if (size < 1 || size > kStopBytesMax)
      return Invalid("stop[", i, "] has ", size, " bytes, expected 1 to ", kStopBytesMax);
  }
  if (request.stop_ids_size() > kStopIdsMax)
    return Invalid("stop_ids has ", request.stop_ids_size(), " ids, at most ", kStopIdsMax,
                   " are taken");
  for (int i = 0; i < request.stop_ids_size(); ++i) {
    const int32_t id = request.stop_ids(i);
    if (id < 0 || id >= config.vocab_size)
      return Invalid("stop_ids[", i, "] is ", id, ", the vocabulary has ids 0 to ",
                     config.vocab_size - 1);
  }
  if (request.logprobs() > kLogprobsMax)
    return Invalid("logprobs is ", request.logprobs(), ", at most ", kLogprobsMax, " are given");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EngineRequest> ReadRequest(const v1::GenerateRequest& request,
                                          const ModelConfig& config, const Tokenizer& tokenizer) {
  EngineRequest result;
  result.id = request.request_id();
  result.max_tokens =
      request.max_tokens() == 0 ? kDefaultMaxTokens : static_cast<int64_t>(request.max_tokens());
  result.num_logprobs = request.logprobs();
  result.sampling = {.temperature = request.sampling().temperature(),
                     .top_k = static_cast<int64_t>(request.sampling().top_k()),
                     .top_p = request.sampling().top_p() == 0 ? 1.0f : request.sampling().top_p(),
                     .seed = request.sampling().has_seed() ? request.sampling().seed() : NewSeed()};
  RETURN_IF_ERROR(result.sampling.Validate());
  RETURN_IF_ERROR(CheckStops(request, config));
  result.stop_ids.assign(request.stop_ids().begin(), request.stop_ids().end());
  if (!request.ignore_eos())
    result.stop_ids.insert(result.stop_ids.end(), config.eos_ids.begin(), config.eos_ids.end());
  // Who asks for tokens past the model's own end asks for a length, not for sense.
  result.rails.stop_loops = !request.ignore_eos();
  ASSIGN_OR_RETURN(result.prompt, ReadPrompt(request, config, tokenizer));
  return result;
}

}  // namespace coterie
