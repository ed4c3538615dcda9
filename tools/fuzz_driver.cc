// The main() of a cc_fuzz_test where there is no libFuzzer: replays the files named on the command
// line, then feeds mutations of them to LLVMFuzzerTestOneInput for --seconds (or $FUZZ_SECONDS; 2
// by default). The seed is fixed, so a run that fails fails again; the input that was in hand is
// written to $TEST_UNDECLARED_OUTPUTS_DIR (or $TMPDIR, or /tmp) before each call.
//
// It has no coverage feedback: it is a smoke test that every compiler can build. The real search is
// --config=fuzz.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kInputBytesMax = 1 << 20;

// Values at which lengths and offsets go wrong.
constexpr uint64_t kEdgeValues[] = {0,
                                    1,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x7fff,
                                    0xffff,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    ~uint64_t{0},
                                    uint64_t{1} << 63,
                                    (uint64_t{1} << 63) - 1};

// The input in hand, in a shared mapping: it is in the file even when the process dies.
class CrashFile {
 public:
  CrashFile() {
    const char* dir = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
    if (dir == nullptr) dir = std::getenv("TMPDIR");
    path_ = std::string(dir == nullptr ? "/tmp" : dir) + "/fuzz_input." + std::to_string(getpid());
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, kInputBytesMax) != 0) return;
    void* mapped = mmap(nullptr, kInputBytesMax, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) data_ = static_cast<uint8_t*>(mapped);
    fd_ = fd;
  }
  // Reached only when nothing crashed.
  ~CrashFile() { unlink(path_.c_str()); }

  void Remember(const Bytes& input) {
    if (data_ == nullptr) return;
    if (input.size() != size_ && ftruncate(fd_, static_cast<off_t>(input.size())) == 0) {
      size_ = input.size();
    }
    if (size_ == input.size()) std::copy(input.begin(), input.end(), data_);
  }

 private:
  std::string path_;
  int fd_ = -1;
  size_t size_ = kInputBytesMax;
  uint8_t* data_ = nullptr;
};

class Mutator {
 public:
  explicit Mutator(std::vector<Bytes> seeds) : seeds_(std::move(seeds)) {}

  Bytes Next() {
    Bytes input = seeds_[Below(seeds_.size())];
    const size_t num_changes = 1 + Below(8);
    for (size_t i = 0; i < num_changes; ++i) Change(&input);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void Change(Bytes* input) {
    const size_t at = Below(input->size());
    switch (Below(8)) {
      case 0:
        if (!input->empty()) (*input)[at] ^= static_cast<uint8_t>(1u << Below(8));
        break;
      case 1:
        if (!input->empty()) (*input)[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        input->resize(at);
        break;
      case 3:
        EraseRun(input, at);
        break;
      case 4:
        input->insert(input->begin() + static_cast<ptrdiff_t>(at), 1 + Below(16),
                      static_cast<uint8_t>(random_()));
        break;
      case 5:
        PutEdgeValue(input, at);
        break;
      case 6:
        CopyRun(input, *input, at);
        break;
      default:
        CopyRun(input, seeds_[Below(seeds_.size())], at);
    }
  }

  void EraseRun(Bytes* input, size_t at) {
    const size_t length = std::min(input->size() - at, 1 + Below(64));
    input->erase(input->begin() + static_cast<ptrdiff_t>(at),
                 input->begin() + static_cast<ptrdiff_t>(at + length));
  }

  void PutEdgeValue(Bytes* input, size_t at) {
    const uint64_t value = kEdgeValues[Below(std::size(kEdgeValues))];
    const size_t width = std::min(size_t{1} << Below(4), input->size() - at);
    std::memcpy(input->data() + at, &value, width);
  }

  void CopyRun(Bytes* input, Bytes from, size_t at) {
    if (from.empty()) return;
    const size_t start = Below(from.size());
    const size_t length = std::min(from.size() - start, 1 + Below(128));
    input->insert(input->begin() + static_cast<ptrdiff_t>(at),
                  from.begin() + static_cast<ptrdiff_t>(start),
                  from.begin() + static_cast<ptrdiff_t>(start + length));
  }

  std::mt19937_64 random_{20260401};
  std::vector<Bytes> seeds_;
};

double SecondsWanted() {
  const char* value = std::getenv("FUZZ_SECONDS");
  return value == nullptr ? 2.0 : std::atof(value);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = SecondsWanted();
  std::vector<Bytes> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("--seconds=", 0) == 0) {
      seconds = std::atof(argument.c_str() + strlen("--seconds="));
      continue;
    }
    std::ifstream file(argument, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argument.c_str());
      return 2;
    }
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (seeds.empty()) seeds.emplace_back();

  CrashFile crash_file;
  for (const Bytes& seed : seeds) {
    if (seed.size() <= kInputBytesMax) crash_file.Remember(seed);
    LLVMFuzzerTestOneInput(seed.data(), seed.size());
  }
  Mutator mutator(seeds);
  uint64_t num_runs = seeds.size();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (; std::chrono::steady_clock::now() < end; ++num_runs) {
    const Bytes input = mutator.Next();
    crash_file.Remember(input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%llu inputs, no failure\n", static_cast<unsigned long long>(num_runs));
  return 0;
}
