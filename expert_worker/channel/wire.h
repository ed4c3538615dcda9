// The frames of expert.proto ⇄ the batches of channel.h: sizes, indices and checksums are judged
// here, on both ends.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_WIRE_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_WIRE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "proto/expert.pb.h"

namespace coterie {

// The largest message a worker takes: 8,192 rows of 11 KiB, their pairs, and room. And the largest
// a router takes: eight outputs a row.
inline constexpr int kDispatchBytesMax = 128 << 20;
inline constexpr int kCombineBytesMax = 1 << 30;

// What either end of a link lets the other send ahead. gRPC begins with 64 KiB and finds out by
// pings how much more is well: an answer to 8 rows is 180 KiB, so over a network it waited for two
// more round trips. HTTP/2 frames stay at 16 KiB: in larger ones a reader begins later, which cost
// 6 % of the tokens on one machine.
inline constexpr int kLinkWindowBytes = 4 << 20;

// XXH3 of the rows, seeded with the pairs and the layer: rows that were swapped with another
// dispatch's do not fit. Of an answer, of the rows alone.
uint64_t Checksum(const v1::DispatchRequest& frame);
uint64_t Checksum(const v1::CombineReply& frame);

// Replaces the rows and pairs that `frame` held; its memory is reused. Id, epoch and timeout are
// the caller's.
void FillDispatch(const DispatchBatch& batch, v1::DispatchRequest* frame);

// The batch points into the frame. InvalidArgument: sizes do not fit each other, or there are more
// rows or pairs than anybody sends; DataLoss: the checksum does not fit, or a value is not finite.
// Indices are judged by ExpertHost::Validate.
absl::Status ReadDispatch(const v1::DispatchRequest& frame, DispatchBatch* batch);

// InvalidArgument / DataLoss likewise; the status the worker sent, if the dispatch failed there.
absl::Status ReadCombine(const v1::CombineReply& frame, CombineBatch* batch);

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_WIRE_H_
