#include "router/grammar/char_set.h"

#include <algorithm>

namespace coterie {
namespace {

constexpr uint32_t kCharMax = 0x10FFFF;

// The bytes of one character, first to last.
int Encode(uint32_t c, uint8_t* bytes) {
  const auto continuation = [c](int shift) {
    return static_cast<uint8_t>(0x80 | ((c >> shift) & 0x3F));
  };
  if (c < 0x80) {
    bytes[0] = static_cast<uint8_t>(c);
    return 1;
  }
  if (c < 0x800) {
    bytes[0] = static_cast<uint8_t>(0xC0 | (c >> 6));
    bytes[1] = continuation(0);
    return 2;
  }
  if (c < 0x10000) {
    bytes[0] = static_cast<uint8_t>(0xE0 | (c >> 12));
    bytes[1] = continuation(6);
    bytes[2] = continuation(0);
    return 3;
  }
  bytes[0] = static_cast<uint8_t>(0xF0 | (c >> 18));
  bytes[1] = continuation(12);
  bytes[2] = continuation(6);
  bytes[3] = continuation(0);
  return 4;
}

// Characters of one length whose bytes vary independently of each other, or halves of the range.
void Split(CharRange range, const std::function<void(std::span<const ByteRange>)>& take) {
  uint8_t lo[4], hi[4];
  const int length = Encode(range.hi, hi);
  for (int i = 1; i < length; ++i) {
    const uint32_t low_bits = (uint32_t{1} << (6 * i)) - 1;
    if ((range.lo & ~low_bits) == (range.hi & ~low_bits)) continue;
    if ((range.lo & low_bits) != 0) {
      Split({range.lo, range.lo | low_bits}, take);
      Split({(range.lo | low_bits) + 1, range.hi}, take);
      return;
    }
    if ((range.hi & low_bits) != low_bits) {
      Split({range.lo, (range.hi & ~low_bits) - 1}, take);
      Split({range.hi & ~low_bits, range.hi}, take);
      return;
    }
  }
  Encode(range.lo, lo);
  ByteRange bytes[4];
  for (int i = 0; i < length; ++i) bytes[i] = {lo[i], hi[i]};
  take(std::span<const ByteRange>(bytes, length));
}

}  // namespace

CharSet AllChars() { return {{0, 0xD7FF}, {0xE000, kCharMax}}; }

CharSet MakeCharSet(std::vector<CharRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CharRange& a, const CharRange& b) { return a.lo < b.lo; });
  CharSet joined;
  for (const CharRange& range : ranges) {
    if (!joined.empty() && range.lo <= joined.back().hi + 1) {
      joined.back().hi = std::max(joined.back().hi, range.hi);
    } else {
      joined.push_back(range);
    }
  }
  return Common(joined, AllChars());
}

CharSet Without(const CharSet& set, const CharSet& removed) {
  CharSet complement;
  uint32_t next = 0;
  for (const CharRange& range : removed) {
    if (range.lo > next) complement.push_back({next, range.lo - 1});
    next = range.hi + 1;
  }
  if (next <= kCharMax) complement.push_back({next, kCharMax});
  return Common(set, complement);
}

CharSet Common(const CharSet& a, const CharSet& b) {
  CharSet common;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const uint32_t lo = std::max(a[i].lo, b[j].lo), hi = std::min(a[i].hi, b[j].hi);
    if (lo <= hi) common.push_back({lo, hi});
    if (a[i].hi < b[j].hi) {
      ++i;
    } else {
      ++j;
    }
  }
  return common;
}

void ForEachUtf8Sequence(CharRange range,
                         const std::function<void(std::span<const ByteRange>)>& take) {
  constexpr CharRange kLengths[] = {{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, kCharMax}};
  for (const CharRange& length : kLengths) {
    const CharRange part = {std::max(range.lo, length.lo), std::min(range.hi, length.hi)};
    if (part.lo <= part.hi) Split(part, take);
  }
}

}  // namespace coterie
