// A tool as Gemma 4 is told of it, in the system turn.
#ifndef COTERIE_MODEL_TOOL_DECLARATION_H_
#define COTERIE_MODEL_TOOL_DECLARATION_H_

#include "absl/status/status.h"
#include "model/chat_json.h"
#include "model/chat_segments.h"

namespace coterie {

// Appends <|tool>declaration:…<tool|> for `tool`, which is as OpenAI declares it: {"type":
// "function", "function": {"name", "description", "parameters", "response"}}.
//
// Of the parameters' JSON schema the format has: description, enum (of strings), items (of arrays),
// nullable, properties and required (of objects), type. Everything else is dropped, as in the
// reference: default, minimum, anyOf, $ref, enum of integers. A missing type is an empty text, a
// list of types is printed as Python prints a list, in capitals. Of `response`, the schema of what
// the tool answers with, the format has description and type only.
//
// InvalidArgument when there is no name, when a part has a type that cannot be printed, or when it
// nests deeper than kChatDepthMax.
absl::Status AppendToolDeclaration(const ChatJson& tool, ChatSegments* segments);

}  // namespace coterie

#endif  // COTERIE_MODEL_TOOL_DECLARATION_H_
