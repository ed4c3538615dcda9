#include "router/grammar/output_constraint.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/grammar_constraint.h"
#include "router/grammar/program_builder.h"
#include "router/grammar/schema_keywords.h"
#include "router/grammar/schema_reader.h"
#include "router/grammar/text_chars.h"
#include "router/grammar/value_compiler.h"

namespace coterie {
namespace {

// A declaration has hundreds of bytes; more tools than this no prompt holds.
constexpr size_t kToolsMax = 1024;

struct Tool {
  std::string name;
  ChatJson parameters;  // null: it has none
  bool strict = false;
};

absl::StatusOr<Tool> ReadTool(const ChatJson& json) {
  const ChatJson* const function = json.is_object() ? FieldOf(json, "function") : nullptr;
  if (function == nullptr || !function->is_object()) {
    return absl::InvalidArgumentError("it has no `function`");
  }
  Tool tool;
  const ChatJson* const name = FieldOf(*function, "name");
  if (name == nullptr || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return absl::InvalidArgumentError("it has no `function.name`");
  }
  tool.name = name->get<std::string>();
  const bool usable = std::all_of(tool.name.begin(), tool.name.end(), [](unsigned char c) {
    return c > ' ' && c != '{' && c != '}' && c != 0x7F;
  });
  if (!usable) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name ", Quoted(tool.name), " has white space or a brace: it cannot be called"));
  }
  if (const ChatJson* const parameters = FieldOf(*function, "parameters"))
    tool.parameters = *parameters;
  const ChatJson* const strict = FieldOf(*function, "strict");
  tool.strict = strict != nullptr && *strict == ChatJson(true);
  return tool;
}

// Puts one plan together.
class PlanBuilder {
 public:
  PlanBuilder(const GrammarVocabulary* vocabulary, std::vector<int32_t> stop_tokens,
              const ChatTokens* tokens)
      : tokens_(tokens), builder_(tokens == nullptr ? -1 : tokens->quote) {
    plan_.vocabulary = vocabulary;
    plan_.stop_tokens = std::move(stop_tokens);
    if (tokens == nullptr) return;
    plan_.channel_begin = tokens->channel_begin;
    plan_.channel_end = tokens->channel_end;
    plan_.call_begin = tokens->call_begin;
  }

  // Node of the answer in JSON; -1 when text is free.
  absl::StatusOr<int32_t> Response(const ResponseFormat& format) {
    if (format.kind == ResponseFormat::Kind::kText) return -1;
    JsonSchema schema = AnyObjectSchema();
    if (format.kind == ResponseFormat::Kind::kJsonSchema) {
      absl::StatusOr<JsonSchema> read = ReadSchema(format.schema);
      RETURN_IF_ERROR(Annotate(read.status(), kSchemaField));
      schema = *std::move(read);
    }
    absl::StatusOr<int32_t> rule = ValueCompiler(&schema, ValueSyntax::kJson, &builder_).Compile();
    RETURN_IF_ERROR(Annotate(rule.status(), kSchemaField));
    return builder_.Call(*rule, /*deeper=*/false, End(/*of_calls=*/false));
  }

  // What follows a call's beginning, up to and with its end; then `after`.
  absl::StatusOr<int32_t> Call(const std::vector<Tool>& tools, int32_t after) {
    const int32_t end = builder_.Control({tokens_->call_end}, after);
    std::vector<int32_t> ways;
    for (size_t i = 0; i < tools.size(); ++i) {
      ASSIGN_OR_RETURN(const int32_t rule, Arguments(tools[i], i));
      ways.push_back(builder_.Text(tools[i].name, builder_.Call(rule, /*deeper=*/false, end)));
    }
    return builder_.Text("call:", builder_.Split(ways));
  }

  // A place for calls that may follow each other; returns the node before the first.
  absl::StatusOr<int32_t> Calls(const std::vector<Tool>& tools, bool parallel) {
    const int32_t first = builder_.Reserve(), after = builder_.Reserve();
    ASSIGN_OR_RETURN(plan_.in_call, Call(tools, after));
    builder_.PutSplit(first, {builder_.Control({tokens_->call_begin}, plan_.in_call)});
    std::vector<int32_t> ways = {End(/*of_calls=*/true)};
    if (parallel) ways.push_back(first);
    builder_.PutSplit(after, ways);
    return first;
  }

  int32_t Free() { return builder_.Add({.kind = GrammarNode::Kind::kFree}); }
  // The answer ends here; where no token ends it, it is free.
  int32_t End(bool of_calls) {
    std::vector<int32_t> stops = plan_.stop_tokens;
    if (tokens_ != nullptr && !of_calls && stops.size() > 1)
      std::erase(stops, tokens_->response_begin);
    if (stops.empty()) return Free();
    return builder_.Control(std::move(stops), builder_.Add({.kind = GrammarNode::Kind::kFinished}));
  }
  int32_t Split(const std::vector<int32_t>& ways) { return builder_.Split(ways); }
  OutputPlan& plan() { return plan_; }

  absl::StatusOr<TokenConstraintFactory> Finish() {
    if (builder_.TooLarge()) return absl::InvalidArgumentError("the schemas are too large");
    plan_.program = std::move(builder_.program());
    auto plan = std::make_shared<const OutputPlan>(std::move(plan_));
    return TokenConstraintFactory([plan] { return std::make_unique<GrammarConstraint>(plan); });
  }

 private:
  static constexpr absl::string_view kSchemaField = "response_format.json_schema.schema";

  absl::StatusOr<int32_t> Arguments(const Tool& tool, size_t index) {
    absl::StatusOr<int32_t> rule = DeclaredArguments(tool);
    if (rule.ok()) return rule;
    if (tool.strict) {
      return Annotate(rule.status(), absl::StrCat("tools[", index, "].function.parameters"));
    }
    const JsonSchema any = AnyObjectSchema();
    return ValueCompiler(&any, ValueSyntax::kCall, &builder_).Compile();
  }

  absl::StatusOr<int32_t> DeclaredArguments(const Tool& tool) {
    // Without parameters a function takes none; whatever a schema says, arguments are an object.
    ChatJson schema = {{"type", "object"}, {"additionalProperties", false}};
    if (!tool.parameters.is_null()) {
      schema = tool.parameters;
      if (schema.is_object() && !schema.contains("type")) schema["type"] = "object";
    }
    ASSIGN_OR_RETURN(const JsonSchema read, ReadSchema(schema));
    const SchemaNode& root = read.nodes[read.Resolved(read.root)];
    if (root.kind != SchemaNode::Kind::kObject && root.kind != SchemaNode::Kind::kAnyOf) {
      return absl::InvalidArgumentError("at /: arguments are an object");
    }
    for (int32_t option : root.options) {
      const int32_t resolved = read.Resolved(option);
      if (read.nodes[resolved].kind == SchemaNode::Kind::kObject) continue;
      if (read.nodes[resolved].kind == SchemaNode::Kind::kNever) continue;
      return absl::InvalidArgumentError("at /: arguments are an object");
    }
    return ValueCompiler(&read, ValueSyntax::kCall, &builder_).Compile();
  }

  const ChatTokens* const tokens_;
  OutputPlan plan_;
  ProgramBuilder builder_;
};

absl::StatusOr<std::vector<Tool>> ReadTools(const ChatOutputRules& rules) {
  std::vector<Tool> tools;
  std::set<std::string> names;
  if (rules.tools.size() > kToolsMax) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kToolsMax, " tools"));
  }
  for (size_t i = 0; i < rules.tools.size(); ++i) {
    absl::StatusOr<Tool> tool = ReadTool(rules.tools[i]);
    RETURN_IF_ERROR(Annotate(tool.status(), absl::StrCat("tools[", i, "]")));
    if (!names.insert(tool->name).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tools[", i, "].function.name: two tools have the name ", Quoted(tool->name)));
    }
    if (rules.tool_choice != ToolChoice::kNamed || tool->name == rules.tool_name)
      tools.push_back(*std::move(tool));
  }
  if (rules.tool_choice == ToolChoice::kNamed && tools.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tool_choice names ", Quoted(rules.tool_name), ", which is no tool"));
  }
  if (rules.tool_choice == ToolChoice::kRequired && tools.empty()) {
    return absl::InvalidArgumentError("tool_choice requires a call, but there is no tool");
  }
  return tools;
}

}  // namespace

absl::StatusOr<TokenConstraintFactory> ConstrainChat(const ChatOutputRules& rules,
                                                     const GrammarVocabulary* vocabulary,
                                                     const ChatTokens& tokens,
                                                     std::vector<int32_t> stop_tokens) {
  ASSIGN_OR_RETURN(const std::vector<Tool> tools, ReadTools(rules));
  const bool is_text = rules.response_format.kind == ResponseFormat::Kind::kText;
  if (is_text && tools.empty()) return TokenConstraintFactory();
  PlanBuilder builder(vocabulary, std::move(stop_tokens), &tokens);
  OutputPlan& plan = builder.plan();
  plan.starts_in_channel = rules.starts_in_channel;
  const bool may_call = !tools.empty() && rules.tool_choice != ToolChoice::kNone;
  const bool must_call = may_call && rules.tool_choice != ToolChoice::kAuto;
  if (is_text && may_call && !must_call) {
    // A model that may not call again says in words what it would have called.
    plan.one_call = !rules.parallel_tool_calls;
    const int32_t after = plan.one_call ? builder.End(/*of_calls=*/true) : builder.Free();
    ASSIGN_OR_RETURN(plan.in_call, builder.Call(tools, after));
    return builder.Finish();
  }
  std::vector<int32_t> ways;
  if (may_call) {
    ASSIGN_OR_RETURN(const int32_t calls, builder.Calls(tools, rules.parallel_tool_calls));
    ways.push_back(calls);
  }
  if (!must_call && !is_text) {
    ASSIGN_OR_RETURN(const int32_t response, builder.Response(rules.response_format));
    ways.push_back(response);
  }
  if (!ways.empty()) plan.start = builder.Split(ways);
  return builder.Finish();
}

absl::StatusOr<TokenConstraintFactory> ConstrainText(const ResponseFormat& format,
                                                     const GrammarVocabulary* vocabulary,
                                                     std::vector<int32_t> stop_tokens) {
  if (format.kind == ResponseFormat::Kind::kText) return TokenConstraintFactory();
  PlanBuilder builder(vocabulary, std::move(stop_tokens), nullptr);
  ASSIGN_OR_RETURN(builder.plan().start, builder.Response(format));
  return builder.Finish();
}

}  // namespace coterie
