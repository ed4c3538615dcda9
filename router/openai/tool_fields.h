// `tools`, `tool_choice` and `parallel_tool_calls` of OpenAI's APIs, and the shape of a tool.
#ifndef COTERIE_ROUTER_OPENAI_TOOL_FIELDS_H_
#define COTERIE_ROUTER_OPENAI_TOOL_FIELDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/frontend/chat_request.h"
#include "router/openai/field_reader.h"

namespace coterie {

inline constexpr size_t kToolsMax = 1024;
inline constexpr size_t kToolNameBytesMax = 256;

// Where the fields of a function stand: in `function` (chat completions) or in the tool itself
// (responses).
enum class ToolShape { kNested, kFlat };

// A tool as model/tool_declaration.h wants it. `fields` is over the object that has `name`,
// `description` and, under `schema_name`, the parameters.
absl::StatusOr<ChatJson> ReadFunction(FieldReader* fields, const char* schema_name);

// Errors are kept by `fields`. Tools that only OpenAI's own servers can run (web_search and the
// like) are left out in the flat shape, where agents offer them unasked; they are refused in the
// nested one.
void ReadTools(ToolShape shape, FieldReader* fields, ChatRequest* request);

// After ReadTools: "none", "auto", "required", a named function, allowed_tools.
void ReadToolChoice(ToolShape shape, FieldReader* fields, ChatRequest* request);

// What a request's choice demands must be among its tools.
absl::Status CheckToolChoice(const ChatRequest& request);

// Of a tool in request.tools.
absl::string_view ToolName(const ChatJson& tool);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_TOOL_FIELDS_H_
