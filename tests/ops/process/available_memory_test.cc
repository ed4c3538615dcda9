#include "ops/process/available_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace coterie {
namespace {

class AvailableMemoryTest : public testing::Test {
 protected:
  AvailableMemoryTest() : root_(testing::TempDir() + "/root") {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/proc");
    std::filesystem::create_directories(root_ + "/sys/fs/cgroup");
  }
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(root_ + path) << text;
  }

  const std::string root_;
};

TEST_F(AvailableMemoryTest, IsWhatTheKernelSays) {
  EXPECT_EQ(AvailableMemoryBytes(root_), 0);
  Write("/proc/meminfo", "MemTotal:  9000 kB\nMemFree: 10 kB\nMemAvailable:   700 kB\n");
  EXPECT_EQ(AvailableMemoryBytes(root_), 700 * 1024);
}

TEST_F(AvailableMemoryTest, AContainerMayHaveLess) {
  Write("/proc/meminfo", "MemAvailable: 700 kB\n");
  Write("/sys/fs/cgroup/memory.max", "max\n");
  Write("/sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(AvailableMemoryBytes(root_), 700 * 1024);
  Write("/sys/fs/cgroup/memory.max", "5000\n");
  EXPECT_EQ(AvailableMemoryBytes(root_), 4000);
}

TEST(AvailableMemoryHereTest, ThisMachineSaysSomething) { EXPECT_GT(AvailableMemoryBytes(), 0); }

}  // namespace
}  // namespace coterie
