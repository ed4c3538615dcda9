#include "tests/testing/jumping_clock.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

constexpr char kFileVariable[] = "FAKETIME_TIMESTAMP_FILE";

constexpr bool HasSanitizer() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return false;
}

// Renamed to its place: nobody reads half of it.
void WriteOffset(const std::string& path, int64_t seconds) {
  const std::string draft = path + ".new";
  std::ofstream(draft) << (seconds < 0 ? "" : "+") << seconds << "\n";
  CHECK_EQ(rename(draft.c_str(), path.c_str()), 0) << path;
}

// The system's clock ahead of the monotonic one.
absl::Duration Ahead() {
  return absl::FromChrono(std::chrono::system_clock::now().time_since_epoch()) -
         absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

void JumpingClock::RunUnderIt(char** argv) {
  if (HasSanitizer() || IsThere()) return;
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string path = absl::StrCat(folder == nullptr ? "/tmp" : folder, "/clock_", getpid());
  WriteOffset(path, 0);
  setenv(kFileVariable, path.c_str(), 1);
  setenv("FAKETIME_CACHE_DURATION", "1", 1);
  setenv("DONT_FAKE_MONOTONIC", "1", 1);
  setenv("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1", 1);
  execv("/proc/self/exe", argv);
  CHECK(false) << "cannot start this program again";
}

bool JumpingClock::IsThere() { return std::getenv(kFileVariable) != nullptr; }

void JumpingClock::SetOffset(absl::Duration offset) {
  if (!IsThere()) return;
  static const absl::Duration true_ahead = Ahead();
  WriteOffset(std::getenv(kFileVariable), absl::ToInt64Seconds(offset));
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (absl::AbsDuration(Ahead() - true_ahead - offset) > absl::Seconds(2)) {
    CHECK(std::chrono::steady_clock::now() < give_up)
        << "the clock does not jump: is the package libfaketime installed (tools/setup)?";
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace coterie
