// How much memory a process of this machine, or of its container, may still take.
#ifndef COTERIE_OPS_PROCESS_AVAILABLE_MEMORY_H_
#define COTERIE_OPS_PROCESS_AVAILABLE_MEMORY_H_

#include <cstdint>
#include <string>

namespace coterie {

// The less of what /proc/meminfo calls available and what the cgroup leaves; 0: nobody says.
// `root`: where /proc and /sys are looked for.
int64_t AvailableMemoryBytes(const std::string& root = "");

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_AVAILABLE_MEMORY_H_
