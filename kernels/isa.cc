#include "kernels/isa.h"

#include <atomic>

#include "kernels/check.h"
#include "kernels/cpu/bodies.h"

namespace coterie {
namespace {

std::atomic<const KernelBodies*> g_bodies{nullptr};

const KernelBodies* BodiesOf(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512:
      return &kAvx512Bodies;
    case Isa::kAvx2:
      return &kAvx2Bodies;
#endif
    default:
      return &kPortableBodies;
  }
}

}  // namespace

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "unknown";
}

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas = {Isa::kPortable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(Isa::kAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vnni")) {
    isas.push_back(Isa::kAvx512);
  }
#endif
  return isas;
}

const KernelBodies& Bodies() {
  const KernelBodies* bodies = g_bodies.load(std::memory_order_acquire);
  if (bodies == nullptr) {
    bodies = BodiesOf(SupportedIsas().back());
    g_bodies.store(bodies, std::memory_order_release);
  }
  return *bodies;
}

Isa CurrentIsa() {
  const KernelBodies* bodies = &Bodies();
  for (Isa isa : SupportedIsas()) {
    if (BodiesOf(isa) == bodies) return isa;
  }
  return Isa::kPortable;
}

void SetIsa(Isa isa) {
  bool supported = false;
  for (Isa candidate : SupportedIsas()) supported |= candidate == isa;
  CHECK(supported) << "this machine has no " << IsaName(isa);
  g_bodies.store(BodiesOf(isa), std::memory_order_release);
}

}  // namespace coterie
