// A wrong command line is one clear line, and --help explains our flags and no library's.
#include "ops/process/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/flags/flag.h"

ABSL_FLAG(std::string, fruit, "apple", "Which fruit to serve.");
ABSL_FLAG(int32_t, count, 3, "How many.");
ABSL_FLAG(bool, peel, false, "Whether to peel.");

namespace coterie {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::Status Parse(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size());
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return ParseFlags(pointers);
}

TEST(FlagsTest, EverySpellingSetsTheFlag) {
  ASSERT_TRUE(Parse({"--fruit=pear=", "--count", "5", "--peel"}).ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_fruit), "pear=");
  EXPECT_EQ(absl::GetFlag(FLAGS_count), 5);
  EXPECT_TRUE(absl::GetFlag(FLAGS_peel));
  ASSERT_TRUE(Parse({"--nopeel"}).ok());
  EXPECT_FALSE(absl::GetFlag(FLAGS_peel));
}

TEST(FlagsTest, MistakesAreNamed) {
  EXPECT_EQ(Parse({"--fruits=x"}).message(), "unknown flag --fruits");
  EXPECT_EQ(Parse({"--nofruit"}).message(), "unknown flag --nofruit");
  EXPECT_EQ(Parse({"--count=many"}).message(), "--count cannot be 'many': expected whole number");
  EXPECT_EQ(Parse({"--count"}).message(), "--count needs a value");
  EXPECT_EQ(Parse({"pear"}).message(), "unexpected argument 'pear': every argument is a --flag");
  EXPECT_EQ(Parse({"--"}).message(), "unexpected argument '--': every argument is a --flag");
}

TEST(FlagsTest, HelpShowsOurFlagsOnly) {
  const std::string help = HelpText("stall", "Sells fruit.");
  EXPECT_THAT(help, HasSubstr("stall: Sells fruit."));
  EXPECT_THAT(help, HasSubstr("--fruit  (text; default apple)\n      Which fruit to serve.\n"));
  EXPECT_THAT(help, Not(HasSubstr("flagfile")));
}

TEST(FlagsDeathTest, BadCommandLineExitsWithTwo) {
  char program[] = "/bin/stall";
  char bad[] = "--nonsense";
  char* argv[] = {program, bad};
  EXPECT_EXIT(ParseFlagsOrExit(2, argv, "Sells fruit."), ::testing::ExitedWithCode(2),
              "stall: unknown flag --nonsense \\(--help explains every flag\\)");
}

TEST(FlagsDeathTest, HelpExitsWithZero) {
  char program[] = "/bin/stall";
  char help[] = "--help";
  char* argv[] = {program, help};
  EXPECT_EXIT(ParseFlagsOrExit(2, argv, "Sells fruit."), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace coterie
