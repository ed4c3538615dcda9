// ResumeHint: when a caller expects to go on with this context. It decides what the cache forgets
// first.
#ifndef COTERIE_ROUTER_ENGINE_RESUME_HINT_H_
#define COTERIE_ROUTER_ENGINE_RESUME_HINT_H_

namespace coterie {

enum class ResumeHint {
  kNone,   // nothing was said
  kSoon,   // within half a minute or so: a tool runs
  kLater,  // minutes or more
  kDone,   // never
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_RESUME_HINT_H_
