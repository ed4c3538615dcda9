// A safetensors file from a stranger: every tensor that is accepted lies inside the file.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "kernels/check.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = coterie::ReadSafetensors(file, [](absl::string_view) { return true; });
  if (tensors.ok()) {
    for (const coterie::RawTensor& tensor : *tensors) {
      CHECK(tensor.bytes.data() >= file.data());
      CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    }
  }
  const auto index = coterie::ReadSafetensorsIndex({reinterpret_cast<const char*>(data), size});
  if (index.ok()) {
    for (const std::string& name : *index) CHECK(name.find('/') == std::string::npos);
  }
  return 0;
}
