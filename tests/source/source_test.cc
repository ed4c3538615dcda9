// The source about itself. Goal: what the house style promises stays true without anybody watching.
// Method: reads every file of the tree that is ours. (That headers compile alone is checked by
// bazel/headers.bzl in .ci/run.)
//
// Lengths are a ratchet: a file that is too long today stands in kLongFiles with its length, and
// may only shrink.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace coterie {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

constexpr int kLinesMax = 400;

// path -> lines it may have.
const std::map<std::string, int>& LongFiles() {
  static const auto* files = new std::map<std::string, int>{};
  return *files;
}

// Who may name whom (docs/architecture.md): folder -> the folders whose targets it may depend on,
// itself aside.
const std::map<std::string, std::set<std::string>>& Arrows() {
  static const auto* arrows = new std::map<std::string, std::set<std::string>>{
      {"kernels", {}},
      {"proto", {}},
      {"model", {"kernels"}},
      {"expert_worker", {"kernels", "model", "ops/process", "proto"}},
      {"kv_store", {"kernels:check", "kernels:status_macros", "ops/process", "proto"}},
      {"router",
       {"expert_worker/channel", "expert_worker:expert_host", "expert_worker:shard", "kernels",
        "kv_store/client", "kv_store:block_id", "model", "ops/process", "proto"}},
      {"ops", {"kernels:check", "kernels:status_macros"}},
      {"tools", {}},
  };
  return *arrows;
}

struct File {
  std::string path;  // from the root of the tree
  std::vector<std::string> lines;
};

fs::path Root() {
  // The runfile is a symlink into the source tree (through another one, in the execution root).
  return fs::canonical("WORKSPACE").parent_path();
}

bool IsSource(const fs::path& path) {
  static const std::set<std::string> extensions = {".cc", ".h",   ".cu",    ".cuh", ".proto",
                                                   ".py", ".bzl", ".bazel", ".sh"};
  return extensions.contains(path.extension().string());
}

bool IsOurFolder(const std::string& name) {
  return !absl::StartsWith(name, ".") && !absl::StartsWith(name, "bazel-") && name != "stubs" &&
         name != "shared" && name != "node_modules" && name != "__pycache__";
}

std::vector<File> OurFiles() {
  std::vector<File> files;
  const fs::path root = Root();
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    if (it->is_directory() && (it->is_symlink() || !IsOurFolder(it->path().filename().string()))) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && IsSource(it->path())) {
      std::ifstream stream(it->path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(stream),
                             std::istreambuf_iterator<char>()};
      std::vector<std::string> lines = absl::StrSplit(text, '\n');
      files.push_back({fs::relative(it->path(), root).string(), std::move(lines)});
    }
  }
  return files;
}

bool IsCode(const std::string& path) {
  return absl::EndsWith(path, ".cc") || absl::EndsWith(path, ".h") || absl::EndsWith(path, ".cu");
}

TEST(SourceTest, TreeIsFound) { EXPECT_GT(OurFiles().size(), 20u) << Root(); }

TEST(SourceTest, NothingIsLeftForLater) {
  // Put together here, so that this file does not find itself.
  const std::string words[] = {absl::StrCat("FIX", "ME"), absl::StrCat("TO", "DO"),
                               absl::StrCat("XX", "X")};
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string& word : words) {
        if (absl::StrContains(file.lines[i], word))
          found.push_back(absl::StrCat(file.path, ":", i + 1));
      }
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

TEST(SourceTest, NoTabsNoCarriageReturnsNoSpacesAtTheEnd) {
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      const bool bad = line.find_first_of("\t\r") != std::string::npos || absl::EndsWith(line, " ");
      if (bad) found.push_back(absl::StrCat(file.path, ":", i + 1));
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

// The system's clock may be set at any time. Only what people read goes by it.
TEST(SourceTest, TimeoutsGoByTheMonotonicClock) {
  const std::set<std::string> read_by_people = {"ops/process/log.cc",
                                                "ops/process/process_metrics.cc",
                                                "router/http/outgoing.cc", "router/openai/pages.h"};
  const std::regex other_clock(R"(\babsl::Now\(|\bsystem_clock::now\()");
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    if (read_by_people.contains(file.path) || absl::StartsWith(file.path, "ops/process/clock.") ||
        absl::StartsWith(file.path, "tests/") || absl::StartsWith(file.path, "bench/")) {
      continue;
    }
    for (size_t i = 0; i < file.lines.size(); ++i) {
      if (std::regex_search(file.lines[i], other_clock))
        found.push_back(
            absl::StrCat(file.path, ":", i + 1, " (MonotonicNow, ops/process/clock.h)"));
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

TEST(SourceTest, FilesStayShort) {
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    if (!IsCode(file.path)) continue;
    const int num_lines = static_cast<int>(file.lines.size()) - 1;
    const auto it = LongFiles().find(file.path);
    const int allowed = it == LongFiles().end() ? kLinesMax : it->second;
    if (num_lines > allowed) {
      found.push_back(
          absl::StrCat(file.path, " has ", num_lines, " lines, ", allowed, " are allowed"));
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

TEST(SourceTest, HeaderGuardsAreNamedAfterTheFile) {
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    // *_body.h are included once per instruction set, without a guard.
    if (!absl::EndsWith(file.path, ".h") || absl::EndsWith(file.path, "_body.h")) continue;
    const std::string guard = absl::StrCat(
        "COTERIE_", absl::AsciiStrToUpper(absl::StrReplaceAll(file.path, {{"/", "_"}, {".", "_"}})),
        "_");
    const bool has = std::find(file.lines.begin(), file.lines.end(),
                               absl::StrCat("#define ", guard)) != file.lines.end();
    if (!has) found.push_back(absl::StrCat(file.path, ": expected ", guard));
  }
  EXPECT_THAT(found, IsEmpty());
}

// "//router/kv:kv_cache" -> "router/kv"; "//kernels:check" -> "kernels:check" where that form is
// allowed by name.
bool MayName(const std::string& from, const std::string& label) {
  const std::string target = label.substr(2);
  const std::string package = target.substr(0, target.find(':'));
  const auto within = [](const std::string& path, const std::string& folder) {
    return path == folder || absl::StartsWith(path, folder + "/");
  };
  for (const auto& [folder, others] : Arrows()) {
    if (!within(from, folder)) continue;
    return within(package, folder) ||
           std::any_of(others.begin(), others.end(),
                       [&](const std::string& o) { return o == target || within(package, o); });
  }
  return true;  // tests and bench may name everything
}

TEST(SourceTest, DependenciesPointDownwards) {
  const std::regex label("\"(//[a-z_/]+(:[a-z_0-9+]+)?)\"");
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    if (!absl::EndsWith(file.path, "BUILD.bazel")) continue;
    const std::string package = fs::path(file.path).parent_path().string();
    const std::string text = absl::StrJoin(file.lines, "\n");
    // What stands under `visibility` names who may look in; that is the other direction.
    const std::string deps =
        std::regex_replace(text, std::regex("visibility = (\\[[^\\]]*\\]|[a-zA-Z_]+)"), "");
    for (std::sregex_iterator it(deps.begin(), deps.end(), label), end; it != end; ++it) {
      const std::string name = (*it)[1];
      const bool ours =
          !absl::StartsWith(name, "//bazel") && !absl::StartsWith(name, "//visibility");
      if (ours && !absl::StrContains(name, "__") && !MayName(package, name)) {
        found.push_back(absl::StrCat(package, " names ", name));
      }
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

TEST(SourceTest, NothingButTestsAndBenchNamesTests) {
  std::vector<std::string> found;
  for (const File& file : OurFiles()) {
    if (!IsCode(file.path) || absl::StartsWith(file.path, "tests/") ||
        absl::StartsWith(file.path, "bench/")) {
      continue;
    }
    for (const std::string& line : file.lines) {
      if (absl::StartsWith(line, "#include \"tests/") ||
          absl::StartsWith(line, "#include \"bench/")) {
        found.push_back(absl::StrCat(file.path, ": ", line));
      }
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

}  // namespace
}  // namespace coterie
