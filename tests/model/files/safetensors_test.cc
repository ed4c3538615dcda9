// The safetensors reader. Goal: what is accepted lies inside the file; everything else is one clear
// message. Method: headers written by hand.
#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/model/files/file_builders.h"

namespace coterie {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool All(absl::string_view) { return true; }
bool NotVision(absl::string_view name) { return name.substr(0, 6) != "vision"; }

// A file of this header and `data_bytes` zeros.
absl::Status StatusOf(const std::string& header, size_t data_bytes) {
  const std::string file = SafetensorsOf(header.size(), header, std::string(data_bytes, '\0'));
  return ReadSafetensors(BytesOf(file), All).status();
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return absl::StrCat("\"", name, "\":{\"dtype\":", dtype, ",\"shape\":", shape,
                      ",\"data_offsets\":", offsets, "}");
}

TEST(SafetensorsTest, ReadsWhatWasWritten) {
  const FileTensor a = F32Tensor("a", {2, 3}), b = F32Tensor("b", {4});
  const std::string file = SafetensorsOf({a, b});
  const auto tensors = ReadSafetensors(BytesOf(file), All);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>((*tensors)[1].bytes.data()),
                        (*tensors)[1].bytes.size()),
            b.bytes);
}

TEST(SafetensorsTest, WhatIsNotWantedMayHaveAnyType) {
  const std::string file = SafetensorsOf({F32Tensor("a", {1}), {"vision", {8}, "12345678", "I8"}});
  const auto tensors = ReadSafetensors(BytesOf(file), NotVision);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->size(), 1u);
}

TEST(SafetensorsTest, MetadataIsNoTensor) {
  EXPECT_TRUE(StatusOf(R"({"__metadata__":{"format":"pt"}})", 0).ok());
}

TEST(SafetensorsTest, RefusesFilesThatAreCutOrLieAboutTheirHeader) {
  EXPECT_FALSE(ReadSafetensors({}, All).ok());
  const std::string whole = SafetensorsOf({F32Tensor("a", {2, 3})});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(ReadSafetensors(BytesOf(whole).first(size), All).ok()) << size;
  for (uint64_t size : {uint64_t{3}, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    const std::string file = SafetensorsOf(size, "{}", "");
    const absl::Status status = ReadSafetensors(BytesOf(file), All).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("truncated or not safetensors"));
  }
}

TEST(SafetensorsTest, RefusesMalformedHeaders) {
  const struct {
    std::string header;
    const char* message;
  } cases[] = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[]", "not an object"},
      {std::string(5000, '['), "not valid JSON"},
      {R"({"a":7})", "no \"dtype\""},
      {R"({"a":{"dtype":7}})", "no \"dtype\""},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "no list \"shape\""},
      {R"({"a":{"dtype":"F32","shape":[1]}})", "no list \"data_offsets\""},
      {"{" + Entry("a", "\"F8_E4M3\"", "[4]", "[0,4]") + "}", "type F8_E4M3 is not read"},
      {"{" + Entry("a", "\"I32\"", "[1]", "[0,4]") + "}", "re-quantised exports"},
      {"{" + Entry("a", "\"F32\"", "[1,1,1,1,1]", "[0,4]") + "}", "at most 4 sizes"},
      {"{" + Entry("a", "\"F32\"", "[-1]", "[0,4]") + "}", "list of at most"},
      {"{" + Entry("a", "\"F32\"", "[1.5]", "[0,4]") + "}", "list of at most"},
      {"{" + Entry("a", "\"F32\"", "[1099511627776,1099511627776]", "[0,4]") + "}", "beyond any"},
      {"{" + Entry("a", "\"F32\"", "[2]", "[0,4]") + "}", "takes 8 bytes, its offsets span 4"},
      {"{" + Entry("a", "\"F32\"", "[2]", "[8,0]") + "}", "do not lie within"},
      {"{" + Entry("a", "\"F32\"", "[2]", "[4,12]") + "}", "do not lie within the 8 bytes"},
      {"{" + Entry("a", "\"F32\"", "[1]", "[0]") + "}", "do not lie within"},
      {"{" + Entry("a", "\"F32\"", "[1]", "[0,4]") + "," + Entry("a", "\"F32\"", "[1]", "[4,8]") +
           "}",
       "tensor a is there twice"},
      {"{" + Entry("a", "\"F32\"", "[2]", "[0,8]") + "," + Entry("b", "\"F32\"", "[1]", "[4,8]") +
           "}",
       "tensors a and b overlap"},
  };
  for (const auto& c : cases) {
    const absl::Status status = StatusOf(c.header, 8);
    EXPECT_FALSE(status.ok()) << c.header;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(SafetensorsTest, IndexNamesEveryShardOnce) {
  const auto files = ReadSafetensorsIndex(
      R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-1.safetensors"}})");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre("m-1.safetensors", "m-2.safetensors"));
}

TEST(SafetensorsTest, IndexStaysInItsFolder) {
  for (const char* name : {"../m.safetensors", "/etc/m.safetensors", "a/m.safetensors", "",
                           ".safetensors", "..", "model.bin", "model.safetensors.index.json"}) {
    const auto files = ReadSafetensorsIndex(absl::StrCat(R"({"weight_map":{"a":")", name, "\"}}"));
    EXPECT_FALSE(files.ok()) << name;
    EXPECT_THAT(std::string(files.status().message()), HasSubstr("plain .safetensors file"));
  }
  for (const char* json : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})"})
    EXPECT_FALSE(ReadSafetensorsIndex(json).ok()) << json;
}

}  // namespace
}  // namespace coterie
