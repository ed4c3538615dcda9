// A GGUF file from a stranger: every tensor that is accepted lies inside the file, and its metadata
// either makes a valid configuration or is refused.
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/check.h"
#include "model/config_gguf.h"
#include "model/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = coterie::ReadGguf(bytes);
  if (!file.ok()) return 0;
  for (const coterie::RawTensor& tensor : file->tensors) {
    CHECK(tensor.bytes.data() >= bytes.data());
    CHECK(tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size());
  }
  const auto config = coterie::ModelConfigFromGguf(*file);
  if (config.ok()) CHECK(config->Validate().ok());
  return 0;
}
