// From a request to its journal, and back to a request that goes on.
#ifndef COTERIE_ROUTER_FRONTEND_JOURNALED_REQUEST_H_
#define COTERIE_ROUTER_FRONTEND_JOURNALED_REQUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/generate.pb.h"
#include "proto/journal.pb.h"
#include "router/frontend/chat_request.h"
#include "router/journal/request_journals.h"

namespace coterie {

// The request as its caller sent it, and the seed that it is drawn with.
v1::RequestJournal JournalOf(const v1::GenerateRequest& request, uint64_t seed);
v1::RequestJournal JournalOf(const v1::ChatRequest& request, uint64_t seed);

// The request of a journal, with its seed; FailedPrecondition: it is one of the other service.
absl::Status ReadJournaled(const v1::RequestJournal& journal, TextRequest* request);
absl::Status ReadJournaled(const v1::RequestJournal& journal, ChatRequest* request);

// Makes `options`, of a request that was read from `found`, go on from what the caller says to
// have. InvalidArgument: there are not so many choices. DataLoss: the journal does not hold
// together.
absl::Status GoOnFrom(const FoundJournal& found, const v1::ResumeRequest& request,
                      CompletionOptions* options);

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_JOURNALED_REQUEST_H_
