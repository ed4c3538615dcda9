// Always holds:
// - A place from which no end can be reached is never pending: keys, items and calls are offered
//   only where their rule's height fits under kGrammarDepthMax.
// - A state's places are sorted and differ from each other, so that equal states are one.
#include "router/grammar/grammar_automaton.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "router/grammar/string_step.h"

namespace coterie {

using Kind = GrammarNode::Kind;

int32_t GrammarAutomaton::StateAt(int32_t node) {
  pending_.assign(1, Place{.node = node});
  return Close();
}

int32_t GrammarAutomaton::ComputeAfterByte(int32_t state, uint8_t byte) {
  pending_.clear();
  for (const Place& place : *states_[state]) Step(place, byte);
  const int32_t next = pending_.empty() ? kDead : Close();
  next_[static_cast<size_t>(state) << 8 | byte] = next;
  return next;
}

int32_t GrammarAutomaton::AfterControl(int32_t state, int32_t token) {
  const auto contains = [&](int32_t set) {
    const auto& tokens = program_.controls[set];
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  pending_.clear();
  for (const Place& place : *states_[state]) {
    const GrammarNode& node = program_.nodes[place.node];
    if (node.kind == Kind::kControl && contains(node.a)) {
      pending_.push_back({node.next, place.stack, place.aux});
    } else if (node.kind == Kind::kString) {
      const GrammarString& string = program_.strings[node.a];
      if (string.end_control < 0 || !contains(string.end_control)) continue;
      if (StringPlace(place.aux).MayEnd(string)) pending_.push_back({node.next, place.stack, 0});
    }
  }
  return pending_.empty() ? kDead : Close();
}

void GrammarAutomaton::AppendControls(int32_t state, std::vector<int32_t>* tokens) const {
  const auto append = [&](int32_t set) {
    const auto& more = program_.controls[set];
    tokens->insert(tokens->end(), more.begin(), more.end());
  };
  for (const Place& place : *states_[state]) {
    const GrammarNode& node = program_.nodes[place.node];
    if (node.kind == Kind::kControl) append(node.a);
    if (node.kind != Kind::kString) continue;
    const GrammarString& string = program_.strings[node.a];
    if (string.end_control >= 0 && StringPlace(place.aux).MayEnd(string))
      append(string.end_control);
  }
}

bool GrammarAutomaton::Has(int32_t state, Kind kind) const {
  const auto& places = *states_[state];
  return std::any_of(places.begin(), places.end(),
                     [&](const Place& place) { return program_.nodes[place.node].kind == kind; });
}

void GrammarAutomaton::Step(const Place& place, uint8_t byte) {
  ++work_;
  const GrammarNode& node = program_.nodes[place.node];
  if (node.kind == Kind::kString) {
    StepString(place, node, byte);
  } else if (node.kind == Kind::kBytes) {
    for (const GrammarEdge& edge : program_.EdgesOf(node)) {
      if (edge.lo <= byte && byte <= edge.hi)
        pending_.push_back({edge.target, place.stack, place.aux});
    }
  }
}

void GrammarAutomaton::StepString(const Place& place, const GrammarNode& node, uint8_t byte) {
  const GrammarString& string = program_.strings[node.a];
  StringPlace in_string(place.aux);
  if (byte == '"' && string.end_control < 0 && string.syntax == ValueSyntax::kJson &&
      in_string.between_chars()) {
    if (in_string.MayEnd(string)) pending_.push_back({node.next, place.stack, 0});
    return;
  }
  if (in_string.Step(string, byte)) pending_.push_back({place.node, place.stack, in_string.aux()});
}

int32_t GrammarAutomaton::Close() {
  absl::flat_hash_set<Place> seen;
  std::vector<Place> places;
  // pending_ grows while it is read.
  for (size_t i = 0; i < pending_.size() && places.size() < kPlacesMax; ++i) {
    const Place place = pending_[i];
    if (!seen.insert(place).second) continue;
    ++work_;
    switch (program_.nodes[place.node].kind) {
      case Kind::kBytes:
      case Kind::kControl:
      case Kind::kString:
      case Kind::kFinished:
      case Kind::kFree:
        places.push_back(place);
        break;
      default:
        Expand(place);
    }
  }
  std::sort(places.begin(), places.end());
  const auto [found, added] =
      ids_.try_emplace(std::move(places), static_cast<int32_t>(states_.size()));
  if (added) {
    states_.push_back(&found->first);
    strings_.push_back(Summary(found->first));
    next_.resize(next_.size() + 256, kUnknown);
  }
  return found->second;
}

void GrammarAutomaton::Expand(const Place& place) {
  const GrammarNode& node = program_.nodes[place.node];
  switch (node.kind) {
    case Kind::kSplit:
      for (int32_t target : program_.TargetsOf(node))
        pending_.push_back({target, place.stack, place.aux});
      break;
    case Kind::kCall:
      ExpandCall(place, node);
      break;
    case Kind::kReturn:
      ExpandReturn(place);
      break;
    case Kind::kObjectKeys:
    case Kind::kObjectRest:
      ExpandObject(place, node);
      break;
    case Kind::kPropertyEnd:
      ExpandPropertyEnd(place, node);
      break;
    case Kind::kArrayFirst:
    case Kind::kArrayItem:
    case Kind::kArrayRest:
      ExpandArray(place, node);
      break;
    default:
      break;
  }
}

void GrammarAutomaton::ExpandReturn(const Place& place) {
  if (place.stack < 0) return;
  const Frame& frame = frames_[place.stack];
  pending_.push_back({frame.node, frame.below, frame.aux});
}

bool GrammarAutomaton::Fits(int32_t rule, int32_t stack) const {
  return Depth(stack) + 1 + program_.rules[rule].height <= kGrammarDepthMax;
}

int32_t GrammarAutomaton::Push(int32_t node, int64_t aux, int32_t below, int32_t depth) {
  const Frame frame = {node, below, aux, depth};
  const auto [found, added] = frame_ids_.try_emplace(frame, static_cast<int32_t>(frames_.size()));
  if (added) frames_.push_back(frame);
  return found->second;
}

void GrammarAutomaton::ExpandCall(const Place& place, const GrammarNode& node) {
  const bool deeper = node.b == 1;
  const GrammarRule& rule = program_.rules[node.a];
  const int depth = Depth(place.stack) + (deeper ? 1 : 0);
  if (depth + rule.height > kGrammarDepthMax) return;
  // A choice calls its options last of all: they return to where it would, and no stack grows.
  const bool is_last = !deeper && program_.nodes[node.next].kind == Kind::kReturn;
  const int32_t stack = is_last ? place.stack : Push(node.next, place.aux, place.stack, depth);
  pending_.push_back({rule.start, stack, 0});
}

bool GrammarAutomaton::MayClose(const GrammarObject& object, int64_t aux) const {
  for (size_t i = 0; i < object.properties.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const bool done = object.any_order ? ((aux >> index) & 1) != 0 : index < aux;
    if (object.properties[i].required && !done) return false;
  }
  return true;
}

void GrammarAutomaton::ExpandKeys(const Place& place, const GrammarObject& object, bool only_ask,
                                  bool* any) {
  const auto offer = [&](int32_t key, int32_t rule) {
    if (!Fits(rule, place.stack)) return;
    *any = true;
    if (!only_ask) pending_.push_back({key, place.stack, place.aux});
  };
  const auto num_properties = static_cast<int64_t>(object.properties.size());
  bool may_add = object.additional_key >= 0;
  for (int64_t i = object.any_order ? 0 : place.aux; i < num_properties; ++i) {
    if (object.any_order && ((place.aux >> i) & 1) != 0) continue;
    const GrammarProperty& property = object.properties[i];
    offer(property.key, property.rule);
    if (!property.required || object.any_order) continue;
    may_add = false;  // in order, those not declared come last
    break;
  }
  if (may_add) offer(object.additional_key, object.additional_rule);
}

void GrammarAutomaton::ExpandObject(const Place& place, const GrammarNode& node) {
  const GrammarObject& object = program_.objects[node.a];
  bool any = false;
  if (node.kind == Kind::kObjectKeys) {
    ExpandKeys(place, object, /*only_ask=*/false, &any);
    if (node.b == 1 && MayClose(object, place.aux))
      pending_.push_back({object.first_close, place.stack, 0});
    return;
  }
  if (MayClose(object, place.aux)) pending_.push_back({object.close, place.stack, 0});
  ExpandKeys(place, object, /*only_ask=*/true, &any);
  if (any) pending_.push_back({object.comma, place.stack, place.aux});
}

void GrammarAutomaton::ExpandPropertyEnd(const Place& place, const GrammarNode& node) {
  const GrammarObject& object = program_.objects[node.a];
  int64_t aux = place.aux;
  if (node.b < 0) {
    if (!object.any_order) aux = static_cast<int64_t>(object.properties.size());
  } else {
    aux = object.any_order ? aux | int64_t{1} << node.b : node.b + 1;
  }
  pending_.push_back({node.next, place.stack, aux});
}

void GrammarAutomaton::ExpandArray(const Place& place, const GrammarNode& node) {
  const GrammarArray& array = program_.arrays[node.a];
  const auto num_prefix = static_cast<int64_t>(array.prefix.size());
  const bool is_rest = node.kind == Kind::kArrayRest;
  // Without a maximum nothing changes beyond the minimum and the prefix.
  const int64_t last = array.max >= 0 ? array.max : std::max(array.min, num_prefix);
  const int64_t count = is_rest ? std::min(place.aux + 1, last) : place.aux;
  if (node.kind != Kind::kArrayItem && count >= array.min)
    pending_.push_back({is_rest ? array.close : array.first_close, place.stack, 0});

  const bool is_full = array.max >= 0 && count >= array.max;
  const int32_t rule = count < num_prefix ? array.prefix[count] : array.items;
  if (is_full || rule < 0 || !Fits(rule, place.stack)) return;
  if (is_rest) {
    pending_.push_back({array.comma, place.stack, count});
    return;
  }
  const int32_t stack = Push(array.after, count, place.stack, Depth(place.stack) + 1);
  pending_.push_back({program_.rules[rule].start, stack, 0});
}

GrammarAutomaton::Strings GrammarAutomaton::Summary(const std::vector<Place>& places) const {
  Strings strings;
  for (const Place& place : places) {
    const GrammarNode& node = program_.nodes[place.node];
    const bool is_between = node.kind == Kind::kString && StringPlace(place.aux).between_chars();
    const bool is_json = is_between && program_.strings[node.a].syntax == ValueSyntax::kJson;
    strings.only_json &= is_json;
    strings.only_call &= is_between && !is_json;
    if (!is_between) continue;
    int64_t& chars = is_json ? strings.json_chars : strings.call_chars;
    chars = std::max(chars, StringPlace(place.aux).CharsLeft(program_.strings[node.a]));
  }
  return strings;
}

int32_t GrammarAutomaton::Restart(int32_t state) {
  std::vector<Place> places = *states_[state];
  const std::vector<Frame> old_frames = std::move(frames_);
  states_.clear();
  next_.clear();
  strings_.clear();
  ids_.clear();
  frames_.clear();
  frame_ids_.clear();
  for (Place& place : places) {
    std::vector<int32_t> chain;  // from the top
    for (int32_t i = place.stack; i >= 0; i = old_frames[i].below) chain.push_back(i);
    place.stack = -1;
    for (size_t i = chain.size(); i-- > 0;) {
      const Frame& frame = old_frames[chain[i]];
      place.stack = Push(frame.node, frame.aux, place.stack, frame.depth);
    }
  }
  pending_ = std::move(places);
  return Close();
}

}  // namespace coterie
