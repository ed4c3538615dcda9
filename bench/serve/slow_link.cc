// A slow network between two network namespaces, for machines whose kernel has no netem: a TUN
// device in each, and this process between them, which lets every packet wait.
//
//   slow_link --near=NAMESPACE --far=NAMESPACE --delay=1ms --bits_per_second=1e9
//
// Method: as netem with `delay` and `rate` at both ends. A packet leaves when the ones before it
// have and its own bits are through at the rate, and arrives `delay` later; each direction has its
// own rate. What finds 16 MiB waiting is dropped. Packets keep the kernel's offloads (up to 64 KiB
// in one, no checksums), so that a gigabit costs this process
// little and the cores stay with what is measured; their last bit is on time, which is when the
// kernel could have used the first. Needs root. Prints "ready" when the devices `slow0` are there,
// addressless and down, and goes on until it is ended.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kernels/status_macros.h"
#include "ops/process/flags.h"

ABSL_FLAG(std::string, near, "", "Network namespace (ip netns) of one end. Required.");
ABSL_FLAG(std::string, far, "", "And of the other. Required.");
ABSL_FLAG(absl::Duration, delay, absl::Milliseconds(1), "One way.");
ABSL_FLAG(double, bits_per_second, 1e9, "In each direction.");

namespace coterie {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kDevice[] = "slow0";
constexpr size_t kPacketBytesMax = (64 << 10) + 64;  // with the header that names the offloads
constexpr size_t kWaitingBytesMax = 16 << 20;

absl::Status SystemError(absl::string_view what) { return absl::ErrnoToStatus(errno, what); }

// The device lives as long as the descriptor that is returned.
absl::StatusOr<int> OpenTun(const std::string& name_space) {
  const std::string path = absl::StrCat("/var/run/netns/", name_space);
  const int handle = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (handle < 0) return SystemError(absl::StrCat(path, ": no such namespace (ip netns add)"));
  const int moved = setns(handle, CLONE_NEWNET);
  close(handle);
  if (moved != 0) return SystemError(absl::StrCat("to enter namespace ", name_space));
  const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) return SystemError("/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tun, TUNSETIFF, &request) != 0)
    return SystemError(absl::StrCat("to make a TUN device in ", name_space));
  if (ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0)
    return SystemError("to keep the offloads of a TUN device");
  return tun;
}

// One direction.
class Line {
 public:
  Line(int from, int to, Clock::duration delay, double bits_per_second)
      : from_(from), to_(to), delay_(delay), seconds_per_byte_(8 / bits_per_second) {}

  void TakeIn() {
    char buffer[kPacketBytesMax];
    for (;;) {
      const ssize_t size = read(from_, buffer, sizeof(buffer));
      if (size <= 0) return;
      if (waiting_bytes_ + static_cast<size_t>(size) > kWaitingBytesMax) continue;
      const auto busy = std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(static_cast<double>(size) * seconds_per_byte_));
      free_at_ = std::max(free_at_, Clock::now()) + busy;
      waiting_.push_back({free_at_ + delay_, {buffer, buffer + size}});
      waiting_bytes_ += static_cast<size_t>(size);
    }
  }

  void LetOut(Clock::time_point now) {
    while (!waiting_.empty() && waiting_.front().due <= now) {
      const std::vector<char>& packet = waiting_.front().bytes;
      // Refused while the device is down: a packet that is lost.
      [[maybe_unused]] const ssize_t size = write(to_, packet.data(), packet.size());
      waiting_bytes_ -= packet.size();
      waiting_.pop_front();
    }
  }

  Clock::time_point next() const {
    return waiting_.empty() ? Clock::time_point::max() : waiting_.front().due;
  }

 private:
  struct Packet {
    Clock::time_point due;
    std::vector<char> bytes;
  };

  const int from_, to_;
  const Clock::duration delay_;
  const double seconds_per_byte_;
  Clock::time_point free_at_{};
  std::deque<Packet> waiting_;
  size_t waiting_bytes_ = 0;
};

absl::Status Run() {
  ASSIGN_OR_RETURN(const int near, OpenTun(absl::GetFlag(FLAGS_near)));
  ASSIGN_OR_RETURN(const int far, OpenTun(absl::GetFlag(FLAGS_far)));
  const auto delay = std::chrono::duration_cast<Clock::duration>(
      absl::ToChronoNanoseconds(absl::GetFlag(FLAGS_delay)));
  const double bits_per_second = absl::GetFlag(FLAGS_bits_per_second);
  Line lines[] = {{near, far, delay, bits_per_second}, {far, near, delay, bits_per_second}};
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns; 50 us would be a part of every delay
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    const Clock::time_point now = Clock::now();
    for (Line& line : lines) line.LetOut(now);
    const Clock::time_point next = std::min(lines[0].next(), lines[1].next());
    timespec wait{.tv_sec = 1};
    if (next != Clock::time_point::max()) {
      const auto left = std::max<int64_t>(
          0, std::chrono::duration_cast<std::chrono::nanoseconds>(next - Clock::now()).count());
      wait = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    }
    pollfd ends[] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
    if (ppoll(ends, 2, &wait, nullptr) < 0 && errno != EINTR) return SystemError("poll");
    if ((ends[0].revents & POLLIN) != 0) lines[0].TakeIn();
    if ((ends[1].revents & POLLIN) != 0) lines[1].TakeIn();
  }
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Joins two network namespaces by a slow network.");
  if (absl::GetFlag(FLAGS_near).empty() || absl::GetFlag(FLAGS_far).empty())
    coterie::ExitWithUsageError("--near and --far are required: namespaces made by ip netns add");
  if (!(absl::GetFlag(FLAGS_bits_per_second) > 0))
    coterie::ExitWithUsageError("--bits_per_second is above 0");
  return coterie::ExitCodeFor(coterie::Run());
}
