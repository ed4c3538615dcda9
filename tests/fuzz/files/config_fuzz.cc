// A config.json from a stranger: a valid configuration, or refused.
#include <cstddef>
#include <cstdint>

#include "kernels/check.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  const auto config = coterie::ModelConfigFromJson(json);
  if (config.ok()) CHECK(config->Validate().ok());
  coterie::EosIdsFromJson(json).status().IgnoreError();
  return 0;
}
