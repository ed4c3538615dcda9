#include "router/openai/tool_fields.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

// A name must come back out of `call:NAME{`.
bool IsToolName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) > 0x20 && c != '{' && c != '}' && c != '<' && c != 0x7F;
  });
}

bool IsHostedTool(absl::string_view type) {
  for (const absl::string_view hosted :
       {"web_search", "file_search", "code_interpreter", "image_generation", "computer", "mcp",
        "local_shell", "shell", "tool_search"}) {
    if (absl::StartsWith(type, hosted)) return true;
  }
  return false;
}

// The reader of the object that has a function's name, and its path.
const ChatJson* FunctionOf(ToolShape shape, const ChatJson& json, FieldReader* fields) {
  if (shape == ToolShape::kFlat) return &json;
  fields->Require("function");
  return fields->Object("function");
}

// The name of the function that a choice names.
absl::StatusOr<std::string> ReadNamed(ToolShape shape, const ChatJson& json,
                                      const std::string& path) {
  FieldReader fields(json, path);
  int type = 0;
  fields.OneOf("type", {"function"}, &type);
  const ChatJson* function = FunctionOf(shape, json, &fields);
  RETURN_IF_ERROR(fields.status());
  FieldReader inner(*function, shape == ToolShape::kFlat ? path : fields.PathOf("function"));
  std::string name;
  inner.Require("name");
  inner.String("name", kToolNameBytesMax, &name);
  RETURN_IF_ERROR(inner.status());
  return name;
}

absl::Status ReadTool(ToolShape shape, const ChatJson& json, const std::string& path,
                      ChatRequest* request) {
  FieldReader fields(json, path);
  std::string type = "function";
  fields.String("type", 64, &type);
  RETURN_IF_ERROR(fields.status());
  if (type != "function") {
    if (shape == ToolShape::kFlat && IsHostedTool(type)) return absl::OkStatus();
    fields.Fail("type", absl::StrCat("is \"", type, "\", expected \"function\""));
    return fields.status();
  }
  const ChatJson* function = FunctionOf(shape, json, &fields);
  RETURN_IF_ERROR(fields.status());
  FieldReader inner(*function, shape == ToolShape::kFlat ? path : fields.PathOf("function"));
  ASSIGN_OR_RETURN(ChatJson tool, ReadFunction(&inner, "parameters"));
  request->tools.push_back(std::move(tool));
  return absl::OkStatus();
}

// {"mode", "tools"}: the tools that may be used now. The others are not shown to the model at all.
absl::Status ReadAllowed(ToolShape shape, const ChatJson& json, const std::string& path,
                         ChatRequest* request) {
  FieldReader fields(json, path);
  int mode = 0;
  fields.OneOf("mode", {"auto", "required"}, &mode);
  fields.Require("tools");
  const ChatJson* tools = fields.List("tools", kToolsMax);
  RETURN_IF_ERROR(fields.status());
  std::set<std::string> allowed;
  for (size_t i = 0; i < tools->size(); ++i) {
    ASSIGN_OR_RETURN(
        const std::string name,
        ReadNamed(shape, (*tools)[i], absl::StrCat(fields.PathOf("tools"), "[", i, "]")));
    allowed.insert(name);
  }
  std::erase_if(request->tools, [&](const ChatJson& tool) {
    return !allowed.contains(std::string(ToolName(tool)));
  });
  request->tool_choice = mode == 1 ? ToolChoice::kRequired : ToolChoice::kAuto;
  return absl::OkStatus();
}

absl::Status ReadChoiceObject(ToolShape shape, const ChatJson& json, ChatRequest* request) {
  FieldReader fields(json, "tool_choice");
  int type = 0;
  fields.OneOf("type", {"function", "allowed_tools"}, &type);
  RETURN_IF_ERROR(fields.status());
  if (type == 1) {
    if (shape == ToolShape::kFlat) return ReadAllowed(shape, json, "tool_choice", request);
    fields.Require("allowed_tools");
    const ChatJson* allowed = fields.Object("allowed_tools");
    RETURN_IF_ERROR(fields.status());
    return ReadAllowed(shape, *allowed, "tool_choice.allowed_tools", request);
  }
  ASSIGN_OR_RETURN(request->tool_name, ReadNamed(shape, json, "tool_choice"));
  request->tool_choice = ToolChoice::kNamed;
  return absl::OkStatus();
}

}  // namespace

absl::string_view ToolName(const ChatJson& tool) {
  return tool.at("function").at("name").get_ref<const std::string&>();
}

absl::StatusOr<ChatJson> ReadFunction(FieldReader* fields, const char* schema_name) {
  std::string name;
  fields->Require("name");
  fields->String("name", kToolNameBytesMax, &name);
  if (fields->status().ok() && !IsToolName(name)) {
    fields->Fail("name", "is empty, or has white space, braces or `<`");
  }
  ChatJson function = {{"name", name}};
  std::string description;
  fields->String("description", SIZE_MAX, &description);
  if (!description.empty()) function["description"] = std::move(description);
  if (const ChatJson* schema = fields->Object(schema_name)) function["parameters"] = *schema;
  bool strict = false;
  fields->Bool("strict", &strict);
  if (strict) function["strict"] = true;
  RETURN_IF_ERROR(fields->status());
  ChatJson tool = {{"type", "function"}};
  tool["function"] = std::move(function);
  return tool;
}

void ReadTools(ToolShape shape, FieldReader* fields, ChatRequest* request) {
  const ChatJson* tools = fields->List("tools", kToolsMax);
  fields->Bool("parallel_tool_calls", &request->parallel_tool_calls);
  if (tools == nullptr) return;
  for (size_t i = 0; i < tools->size() && fields->status().ok(); ++i) {
    fields->Update(
        ReadTool(shape, (*tools)[i], absl::StrCat(fields->PathOf("tools"), "[", i, "]"), request));
  }
}

void ReadToolChoice(ToolShape shape, FieldReader* fields, ChatRequest* request) {
  const ChatJson* choice = fields->Find("tool_choice");
  if (choice == nullptr || !fields->status().ok()) return;
  if (choice->is_object()) {
    fields->Update(ReadChoiceObject(shape, *choice, request));
  } else if (!choice->is_string()) {
    fields->Fail("tool_choice",
                 absl::StrCat("is ", TypeOf(*choice), ", expected a string or an object"));
  } else {
    int index = 0;
    fields->OneOf("tool_choice", {"auto", "none", "required"}, &index);
    request->tool_choice = static_cast<ToolChoice>(index);
  }
  if (fields->status().ok()) fields->Update(CheckToolChoice(*request));
}

absl::Status CheckToolChoice(const ChatRequest& request) {
  if (request.tool_choice == ToolChoice::kAuto || request.tool_choice == ToolChoice::kNone)
    return absl::OkStatus();
  if (request.tools.empty()) {
    return InvalidField("tool_choice", "`tool_choice` demands a call, but there are no `tools`");
  }
  if (request.tool_choice == ToolChoice::kRequired) return absl::OkStatus();
  const bool is_there =
      std::any_of(request.tools.begin(), request.tools.end(),
                  [&](const ChatJson& tool) { return ToolName(tool) == request.tool_name; });
  if (is_there) return absl::OkStatus();
  return InvalidField("tool_choice", absl::StrCat("`tool_choice` names \"", request.tool_name,
                                                  "\", which is not among the `tools`"));
}

}  // namespace coterie
