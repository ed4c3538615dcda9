// EngineCompletions: Completions by the engine of this process.
#ifndef COTERIE_ROUTER_FRONTEND_ENGINE_COMPLETIONS_H_
#define COTERIE_ROUTER_FRONTEND_ENGINE_COMPLETIONS_H_

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "model/chat_segments.h"
#include "model/chat_tokens.h"
#include "model/config.h"
#include "model/tokenizer.h"
#include "router/engine/engine.h"
#include "router/frontend/completions.h"
#include "router/frontend/tenants.h"
#include "router/grammar/grammar_vocabulary.h"
#include "router/metrics.h"

namespace coterie {

class EngineCompletions final : public Completions {
 public:
  // None of the pointers is owned; all outlive this.
  EngineCompletions(const ModelConfig* config, const Tokenizer* tokenizer, const Tenants* tenants,
                    Engine* engine, RouterMetrics* metrics);

  absl::StatusOr<std::unique_ptr<Answer>> Start(ChatRequest request) override;
  absl::StatusOr<std::unique_ptr<Answer>> Start(TextRequest request) override;
  // Tokens of the prompt that a request would have.
  absl::StatusOr<int64_t> CountTokens(const ChatRequest& request) const;

 private:
  absl::StatusOr<std::unique_ptr<Answer>> StartChat(ChatRequest request);
  absl::StatusOr<std::unique_ptr<Answer>> StartText(TextRequest request);
  // OutOfRange when a text of so many bytes cannot but have more tokens than the context: said
  // before anybody tokenises it, which for megabytes takes seconds of a thread that serves others.
  absl::Status CheckFits(size_t text_bytes) const;
  absl::StatusOr<EncodedChat> Encode(const ChatRequest& request, bool* ends_in_channel) const;
  // What does not depend on the prompt.
  absl::StatusOr<EngineRequest> Common(const CompletionOptions& options);
  absl::StatusOr<std::vector<std::shared_ptr<TokenStream>>> Submit(
      EngineRequest request, const CompletionOptions& options);
  absl::StatusOr<std::vector<int32_t>> ReadPrompt(const TextRequest& request) const;

  const ModelConfig* const config_;
  const Tokenizer* const tokenizer_;
  const Tenants* const tenants_;
  Engine* const engine_;
  RouterMetrics* const metrics_;
  const absl::StatusOr<ChatTokens> chat_tokens_;
  const GrammarVocabulary grammar_;
  const size_t token_bytes_max_;  // of a text, that become one token
  std::atomic<uint64_t> num_requests_{0};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ENGINE_COMPLETIONS_H_
