// Time of a token's mask, over schemas as requests bring them, with a vocabulary of Gemma's size.
//
// Method: for each workload, answers that satisfy it are drawn at random, as a model would with
// every allowed token equally likely but for the strings, which end after some ten tokens. Each
// step is timed as the engine takes it: Apply on 262,144 logits, then Append of what was drawn. A
// new sequence begins with nothing remembered, as each request does.
//
// The best possible: whatever is found out, the logits of all tokens that may not come must be
// written, 1 MB. The limit is one pass that writes them all, measured in this run; the last column
// is the median over it.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "router/grammar/output_constraint.h"
#include "tests/router/grammar/grammar_models.h"

ABSL_FLAG(int, vocabulary, 262144, "Tokens of the vocabulary.");
ABSL_FLAG(int, answers, 40, "Answers drawn for each workload.");

namespace coterie {
namespace {

struct Workload {
  const char* name;
  const char* schema;  // null: any JSON object
  bool tool;           // parameters of a tool that must be called
};

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
        "maximum":150},"email":{"type":"string"},"tags":{"type":"array","items":{"type":"string"},
        "maxItems":5},"address":{"type":"object","properties":{"street":{"type":"string"},
        "city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},
        "required":["street","city","zip"],"additionalProperties":false}},
        "required":["name","age","email","tags","address"],"additionalProperties":false})";

constexpr Workload kWorkloads[] = {
    {"json_object", nullptr, false},
    {"person", kPerson, false},
    {"enum of 5", R"({"enum":["positive","negative","neutral","mixed","unknown"]})", false},
    {"short strings",
     R"({"type":"array","minItems":3,"items":{"type":"string","minLength":1,"maxLength":40}})",
     false},
    {"dates and ids",
     R"({"type":"array","minItems":2,"items":{"anyOf":[{"type":"string","format":"date-time"},
         {"type":"string","format":"uuid"}]}})",
     false},
    {"words by pattern",
     R"({"type":"array","minItems":3,"items":{"type":"string","pattern":"^[a-z]+( [a-z]+)*$"}})",
     false},
    {"recursive tree",
     R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"label":{"type":"string"},
         "children":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["label","children"],
         "additionalProperties":false}}})",
     false},
    {"open object",
     R"({"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}},
         "required":["id"]})",
     false},
    {"tool call", kPerson, true},
    {"tool, any arguments", R"({"type":"object"})", true},
};

// Of this thread, so that what else the machine does is not counted.
double CpuMicroseconds() {
  timespec time = {};
  CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

TokenConstraintFactory Compile(const Workload& workload, const GrammarModel& model) {
  ChatOutputRules rules;
  const ChatJson schema =
      workload.schema == nullptr ? ChatJson() : ChatJson::parse(workload.schema);
  if (workload.tool) {
    rules.tools.push_back({{"function", {{"name", "f"}, {"parameters", schema}}}});
    rules.tool_choice = ToolChoice::kRequired;
  } else {
    rules.response_format.kind = workload.schema == nullptr ? ResponseFormat::Kind::kJsonObject
                                                            : ResponseFormat::Kind::kJsonSchema;
    rules.response_format.schema = schema;
  }
  auto factory = ConstrainChat(rules, model.vocabulary.get(), model.tokens, model.stop_tokens);
  CHECK(factory.ok()) << factory.status().ToString();
  return *factory;
}

class Bench {
 public:
  explicit Bench(const GrammarModel* model)
      : model_(*model), logits_(model->vocabulary->num_tokens()) {}

  // A pass that writes every logit.
  double Limit() {
    std::vector<double> times;
    for (int i = 0; i < 200; ++i) {
      const double begin = CpuMicroseconds();
      std::fill(logits_.begin(), logits_.end(), static_cast<float>(i));
      times.push_back(CpuMicroseconds() - begin);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  void Run(const Workload& workload, double limit) {
    const double begin = CpuMicroseconds();
    const TokenConstraintFactory factory = Compile(workload, model_);
    const double compile = CpuMicroseconds() - begin;
    times_.clear();
    for (int i = 0; i < absl::GetFlag(FLAGS_answers); ++i) Answer(factory().get());
    std::sort(times_.begin(), times_.end());
    const double median = times_[times_.size() / 2], p99 = times_[times_.size() * 99 / 100];
    std::printf("%-20s %9.2f %8zu %9.1f %9.1f %9.1f %8.1f\n", workload.name, compile / 1000,
                times_.size(), median, p99, times_.back(), median / limit);
  }

 private:
  void Answer(TokenConstraint* constraint) {
    for (int step = 0; step < 150 && constraint->active(); ++step) {
      std::fill(logits_.begin(), logits_.end(), 0.0F);
      double begin = CpuMicroseconds();
      constraint->Apply(logits_);
      double time = CpuMicroseconds() - begin;
      const int32_t token = Draw(step);
      begin = CpuMicroseconds();
      constraint->Append(token);
      time += CpuMicroseconds() - begin;
      times_.push_back(time);
      const auto& stops = model_.stop_tokens;
      if (std::find(stops.begin(), stops.end(), token) != stops.end()) return;
    }
  }

  // Now and then, and more often as the answer grows, what ends something.
  int32_t Draw(int step) {
    std::vector<int32_t> allowed, ends;
    for (size_t i = 0; i < logits_.size(); ++i) {
      if (logits_[i] != 0) continue;
      const auto token = static_cast<int32_t>(i);
      const absl::string_view bytes = model_.vocabulary->Bytes(token);
      if (token == model_.tokens.channel_begin) continue;
      allowed.push_back(token);
      if (bytes.empty() || bytes == "\"" || bytes == "}" || bytes == "]") ends.push_back(token);
    }
    CHECK(!allowed.empty());
    const bool end = !ends.empty() && static_cast<int>(random_() % 100) < 10 + step;
    const auto& from = end ? ends : allowed;
    return from[random_() % from.size()];
  }

  const GrammarModel& model_;
  std::vector<float> logits_;
  std::vector<double> times_;
  std::mt19937_64 random_{1};
};

void Main() {
  Vocabulary vocabulary = LargeVocabulary(absl::GetFlag(FLAGS_vocabulary));
  const double begin = CpuMicroseconds();
  const GrammarVocabulary timed(vocabulary);
  const double built = CpuMicroseconds() - begin;
  const auto model = MakeModel(std::move(vocabulary));
  Bench bench(model.get());
  const double limit = bench.Limit();
  std::printf("%d tokens: the tries took %.0f ms, %d nodes, %d and %d beside plain text\n",
              model->vocabulary->num_tokens(), built / 1000, timed.trie().num_nodes(),
              timed.plain(ValueSyntax::kJson).rest.num_nodes(),
              timed.plain(ValueSyntax::kCall).rest.num_nodes());
  std::printf("one pass over the logits: %.1f us\n\n", limit);
  std::printf("%-20s %9s %8s %9s %9s %9s %8s\n", "workload", "compile", "steps", "median", "p99",
              "longest", "median");
  std::printf("%-20s %9s %8s %9s %9s %9s %8s\n", "", "ms", "", "us", "us", "us", "/ limit");
  for (const Workload& workload : kWorkloads) bench.Run(workload, limit);
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  coterie::Main();
  return 0;
}
