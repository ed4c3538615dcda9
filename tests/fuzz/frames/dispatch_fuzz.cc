// A DispatchRequest from a stranger: judged, and if it passes computed by a real host on the tiny
// checkpoint; its answer is read back as a router would. The checksum is set right, so that what
// follows it is reached.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "expert_worker/channel/wire.h"
#include "expert_worker/expert_host.h"
#include "kernels/check.h"

namespace coterie {
namespace {

struct Host {
  std::unique_ptr<Checkpoint> checkpoint;
  Parallel pool{1};
  std::unique_ptr<ExpertHost> host;
};

Host* TheHost() {
  static Host* const host = [] {
    auto* made = new Host();
    auto checkpoint = Checkpoint::Open("tests/golden/checkpoints/tiny_q4_0.gguf");
    CHECK(checkpoint.ok()) << checkpoint.status().ToString();
    made->checkpoint = *std::move(checkpoint);
    made->host = std::make_unique<ExpertHost>(made->checkpoint.get(), LoadOptions(), &made->pool);
    CHECK(made->host->Load(*Shard::Parse("0-5", 6, 8)).ok());
    return made;
  }();
  return host;
}

void Run(const uint8_t* data, size_t size) {
  v1::DispatchRequest frame;
  if (!frame.ParseFromArray(data, static_cast<int>(size))) return;
  frame.set_checksum(Checksum(frame));
  DispatchBatch batch;
  ExpertHost& host = *TheHost()->host;
  if (!ReadDispatch(frame, &batch).ok() || !host.Validate(batch).ok()) return;
  if (batch.pair_row.size() > 4096) return;  // valid, but slow here
  std::vector<std::byte> out(batch.pair_row.size() * static_cast<size_t>(host.output_row_bytes()));
  host.Compute(batch, out.data());
}

void ReadAsReply(const uint8_t* data, size_t size) {
  v1::CombineReply reply;
  if (!reply.ParseFromArray(data, static_cast<int>(size))) return;
  reply.set_checksum(Checksum(reply));
  CombineBatch combine;
  ReadCombine(reply, &combine).IgnoreError();
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(data, size);
  coterie::ReadAsReply(data, size);
  return 0;
}
