#include "kv_store/block_id.h"

#include <openssl/evp.h>

#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

// Named first in every root: another layout of what is hashed gets another name.
constexpr absl::string_view kDomain = "kv1";

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    CHECK_EQ(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), 1);
  }
  void Add(const void* data, size_t size) {
    CHECK_EQ(EVP_DigestUpdate(context_.get(), data, size), 1);
  }
  BlockId Finish() {
    BlockId id;
    CHECK_EQ(EVP_DigestFinal_ex(context_.get(), id.bytes.data(), nullptr), 1);
    return id;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// Little-endian, whatever the machine is.
std::array<uint8_t, 4> LittleEndian(uint32_t value) {
  std::array<uint8_t, 4> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  return bytes;
}

}  // namespace

std::string BlockId::Hex() const {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

absl::StatusOr<BlockId> BlockId::FromHex(absl::string_view hex) {
  BlockId id;
  const bool is_hex = hex.find_first_not_of("0123456789abcdefABCDEF") == absl::string_view::npos;
  if (hex.size() != 2 * id.bytes.size() || !is_hex) {
    return absl::InvalidArgumentError(absl::StrCat("a block id is ", 2 * id.bytes.size(),
                                                   " hexadecimal digits, this is \"",
                                                   absl::CHexEscape(hex.substr(0, 80)), "\""));
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

BlockId RootId(std::span<const absl::string_view> fields) {
  Sha256 hash;
  hash.Add(kDomain.data(), kDomain.size());
  for (const absl::string_view field : fields) {
    const auto length = LittleEndian(static_cast<uint32_t>(field.size()));
    hash.Add(length.data(), length.size());
    hash.Add(field.data(), field.size());
  }
  return hash.Finish();
}

BlockId ChildId(const BlockId& parent, std::span<const int32_t> tokens) {
  CHECK_EQ(tokens.size(), kStoreBlockTokens);
  std::array<uint8_t, 32 + 4 * kStoreBlockTokens> named;
  auto* at = std::copy(parent.bytes.begin(), parent.bytes.end(), named.data());
  for (const int32_t token : tokens) {
    const auto bytes = LittleEndian(static_cast<uint32_t>(token));
    at = std::copy(bytes.begin(), bytes.end(), at);
  }
  Sha256 hash;
  hash.Add(named.data(), named.size());
  return hash.Finish();
}

std::string ObjectKey::Text() const {
  return absl::StrCat(id.Hex(), ":", static_cast<int>(kind), ":", static_cast<int>(repr));
}

}  // namespace coterie
