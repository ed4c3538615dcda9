#include "ops/process/cluster_token.h"

#include <gtest/gtest.h>

#include <fstream>

namespace coterie {
namespace {

std::string Write(const std::string& text) {
  const std::string path = testing::TempDir() + "/token";
  std::ofstream(path) << text;
  return path;
}

TEST(ClusterTokenTest, IsTheFirstLine) {
  EXPECT_EQ(*ReadClusterToken(Write("0123456789abcdef\nmore\n")), "0123456789abcdef");
  EXPECT_EQ(*ReadClusterToken(Write("0123456789abcdef")), "0123456789abcdef");
  EXPECT_EQ(*ReadClusterToken(""), "");
}

TEST(ClusterTokenTest, WhatWouldProtectNothingIsRefused) {
  for (const char* text :
       {"", "\n0123456789abcdef", "short", "0123456789 abcdef", "0123456789abcde\x80"})
    EXPECT_FALSE(ReadClusterToken(Write(text)).ok()) << text;
  EXPECT_FALSE(ReadClusterToken(Write(std::string(257, 'a'))).ok());
  EXPECT_FALSE(ReadClusterToken("/no/such/file").ok());
}

}  // namespace
}  // namespace coterie
