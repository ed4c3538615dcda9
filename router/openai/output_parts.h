// OutputParts: the events of one choice as the parts of a message, in their order: reasoning, text,
// calls.
//
// A call is told of when it is complete, never before. Clients run what they can parse, some of
// them (LangChain) what they can complete: of `rm -r /tmp/x` cut off by a limit they would run `rm
// -r /t`. So of a call that breaks nothing has been said, and no client has to undo it; what was
// generated of it, control tokens spelled out, goes on with the text, so that nothing is lost. A
// reply in a stream and a whole reply therefore say the same.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_OPENAI_OUTPUT_PARTS_H_
#define COTERIE_ROUTER_OPENAI_OUTPUT_PARTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "model/chat_output.h"

namespace coterie {

struct OutputPart {
  enum class Kind { kReasoning, kText, kCall };
  Kind kind = Kind::kText;
  std::string text;     // of a call: its arguments, a JSON object
  std::string name;     // of a call: the tool's
  int call_index = -1;  // from 0, of the calls that are told of
};

struct PartEvent {
  enum class Kind {
    kBegin,
    kMore,  // `text` goes on with the part's text
    kEnd,
  };
  Kind kind = Kind::kMore;
  size_t part = 0;  // its place in parts()
  std::string text;
};

class OutputParts {
 public:
  // What has become known. Parts begin, get more and end one after the other.
  std::vector<PartEvent> Take(const std::vector<ChatEvent>& events);
  // The end of the last part.
  std::vector<PartEvent> Finish();

  const std::vector<OutputPart>& parts() const { return parts_; }
  int num_calls() const { return num_calls_; }
  // All of one kind, put together.
  std::string TextOf(OutputPart::Kind kind) const;

 private:
  void Append(OutputPart::Kind kind, const std::string& text);
  void Begin(OutputPart part);
  void End();

  std::vector<OutputPart> parts_;
  std::vector<PartEvent> events_;
  bool open_ = false;  // the last part has not ended
  OutputPart held_;    // the call that has not ended
  int num_calls_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_OUTPUT_PARTS_H_
