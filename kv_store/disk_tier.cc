#include "kv_store/disk_tier.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

constexpr absl::string_view kSegmentSuffix = ".kvseg";

std::string SegmentName(uint64_t sequence) {
  return absl::StrFormat("%016x%s", sequence, kSegmentSuffix);
}

uint64_t RandomSeed() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32) | random();
}

}  // namespace

// Invariants. An object is in places_ and in policy_, or in neither; live_bytes_ is the sum of the
// records of places_, and each segment's live_bytes of those in it. Only active_ grows; segments of
// earlier lives are never appended to, so that a torn end stays where it was found.
DiskTier::DiskTier(Options options, std::unique_ptr<FileStore> folder)
    : options_(options), folder_(std::move(folder)) {}

absl::StatusOr<std::unique_ptr<DiskTier>> DiskTier::Open(Options options,
                                                         std::unique_ptr<FileStore> folder,
                                                         absl::Time now) {
  if (options.segment_bytes < kSegmentHeaderBytes + RecordBytes(0) ||
      options.capacity_bytes < kSegmentsMin * options.segment_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("disk: ", options.capacity_bytes, " bytes for segments of ",
                     options.segment_bytes, "; room for ", kSegmentsMin, " of them is needed"));
  }
  std::unique_ptr<DiskTier> tier(new DiskTier(options, std::move(folder)));
  RETURN_IF_ERROR(tier->Recover(now));
  return tier;
}

absl::Status DiskTier::Recover(absl::Time now) {
  std::lock_guard<std::mutex> write_lock(write_mu_);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, folder_->List());
  for (const std::string& name : names) {
    if (!absl::EndsWith(name, kSegmentSuffix)) continue;
    const absl::Status status = RecoverSegment(name, now);
    if (status.ok()) continue;
    // Left where it is: it may be of a later version, or no file of ours.
    LogWarning("segment refused", {{"file", name}, {"reason", status.message()}});
    std::lock_guard<std::mutex> lock(mu_);
    ++counts_.refused_segments;
  }
  return absl::OkStatus();
}

absl::Status DiskTier::RecoverSegment(const std::string& file_name, absl::Time now) {
  auto segment = std::make_shared<Segment>();
  segment->file_name = file_name;
  ASSIGN_OR_RETURN(segment->file, folder_->Open(file_name));
  ASSIGN_OR_RETURN(segment->size, segment->file->Size());
  std::vector<Place> found;
  const auto read = [&](uint64_t offset, std::span<char> bytes) {
    return segment->file->ReadAt(offset, bytes);
  };
  ASSIGN_OR_RETURN(
      const SegmentScan scan,
      ScanSegment(segment->size, read, [&](const RecordHeader& record, uint64_t offset) {
        found.push_back({segment, offset, record.payload_bytes, record.checksum, record.name});
      }));
  segment->header = scan.header;
  std::lock_guard<std::mutex> lock(mu_);
  if (!segments_.emplace(scan.header.sequence, segment).second)
    return absl::DataLossError(absl::StrCat("its sequence ", scan.header.sequence, " came before"));
  next_sequence_ = std::max(next_sequence_, scan.header.sequence + 1);
  for (Place& place : found) {
    if (places_.contains(place.name.key)) Forget(place.name.key);  // copied, then cut off
    Insert(std::move(place), now);
    ++counts_.recovered;
  }
  counts_.recovered_gaps += scan.num_damaged + scan.num_torn;
  return absl::OkStatus();
}

absl::Status DiskTier::Append(const ObjectName& name, std::span<const char> payload,
                              uint64_t checksum, absl::Time now) {
  const uint64_t bytes = RecordBytes(payload.size());
  if (bytes + kSegmentHeaderBytes > options_.segment_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "an object of ", payload.size(), " bytes, segments have ", options_.segment_bytes));
  }
  std::lock_guard<std::mutex> write_lock(write_mu_);
  if (Holds(name.key)) return absl::OkStatus();
  absl::Status status;
  if (active_ == nullptr || active_->size + bytes > options_.segment_bytes) status = MakeRoom(now);
  if (status.ok()) status = WriteRecord({name, payload.size(), checksum}, payload, now);
  if (status.ok()) return status;
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++counts_.write_errors;
  }
  if (absl::IsResourceExhausted(status) && now - dropped_for_full_ > kFullPause) {
    dropped_for_full_ = now;
    if (const auto least = LeastLive(); least != nullptr) DropSegment(least);
  }
  return status;
}

// A new active segment. Requires write_mu_, as all down to Insert.
absl::Status DiskTier::StartSegment() {
  auto segment = std::make_shared<Segment>();
  segment->header = {next_sequence_++, RandomSeed()};
  segment->file_name = SegmentName(segment->header.sequence);
  ASSIGN_OR_RETURN(segment->file, folder_->Create(segment->file_name));
  const std::string header = WriteSegmentHeader(segment->header);
  const std::array<std::span<const char>, 1> parts = {header};
  if (absl::Status status = segment->file->WriteAt(0, parts); !status.ok()) {
    folder_->Remove(segment->file_name).IgnoreError();
    return status;
  }
  segment->size = header.size();
  std::lock_guard<std::mutex> lock(mu_);
  segments_[segment->header.sequence] = segment;
  active_ = std::move(segment);
  return absl::OkStatus();
}

absl::Status DiskTier::MakeRoom(absl::Time now) {
  // Of what is left, a segment more than three quarters full need never be copied; one stays free
  // to copy into.
  const uint64_t live_max = options_.capacity_bytes / 4 * 3 - options_.segment_bytes;
  if (FileBytes() + 2 * options_.segment_bytes > options_.capacity_bytes) {
    std::lock_guard<std::mutex> lock(mu_);
    while (live_bytes_ > live_max) {
      const auto victim = policy_.Next(now);
      if (!victim) break;
      Forget(victim->key);
      ++counts_.evicted;
    }
  }
  RETURN_IF_ERROR(StartSegment());
  while (FileBytes() + options_.segment_bytes > options_.capacity_bytes) {
    const std::shared_ptr<Segment> least = LeastLive();
    if (least == nullptr) break;
    RETURN_IF_ERROR(Compact(least, now));
  }
  return absl::OkStatus();
}

absl::Status DiskTier::Compact(const std::shared_ptr<Segment>& segment, absl::Time now) {
  std::vector<Place> live;
  {
    std::lock_guard<std::mutex> lock(mu_);
    for (const auto& [_, place] : places_) {
      if (place.segment == segment) live.push_back(place);
    }
  }
  std::sort(live.begin(), live.end(),
            [](const Place& a, const Place& b) { return a.offset < b.offset; });
  for (const Place& place : live) {
    const absl::StatusOr<Loaded> loaded = ReadPlace(place);  // damaged: forgotten and counted
    if (!loaded.ok()) continue;
    if (active_->size + RecordBytes(place.payload_bytes) > options_.segment_bytes)
      RETURN_IF_ERROR(StartSegment());
    RETURN_IF_ERROR(
        WriteRecord({place.name, place.payload_bytes, place.checksum}, *loaded->payload, now));
    std::lock_guard<std::mutex> lock(mu_);
    counts_.compacted_bytes += place.payload_bytes;
  }
  DropSegment(segment);
  return absl::OkStatus();
}

absl::Status DiskTier::WriteRecord(const RecordHeader& record, std::span<const char> payload,
                                   absl::Time now) {
  if (active_ == nullptr) RETURN_IF_ERROR(StartSegment());
  const std::string header = WriteRecordHeader(record, active_->header.seed);
  const std::array<std::span<const char>, 2> parts = {header, payload};
  const uint64_t at = active_->size;
  if (absl::Status status = active_->file->WriteAt(at, parts); !status.ok()) {
    // What was written of it goes; if that fails too, the segment is left as it is.
    if (!active_->file->Truncate(at).ok()) active_ = nullptr;
    return status;
  }
  std::lock_guard<std::mutex> lock(mu_);
  active_->size = at + RecordBytes(payload.size());
  counts_.appended_bytes += payload.size();
  const auto held = places_.find(record.name.key);
  if (held == places_.end()) {
    Insert({active_, at + kRecordHeaderBytes, payload.size(), record.checksum, record.name}, now);
    return absl::OkStatus();
  }
  // Copied: only its place is another.
  const uint64_t bytes = RecordBytes(payload.size());
  held->second.segment->live_bytes -= bytes;
  held->second.segment = active_;
  held->second.offset = at + kRecordHeaderBytes;
  active_->live_bytes += bytes;
  return absl::OkStatus();
}

void DiskTier::DropSegment(const std::shared_ptr<Segment>& segment) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    std::vector<ObjectKey> keys;
    for (const auto& [key, place] : places_) {
      if (place.segment == segment) keys.push_back(key);
    }
    for (const ObjectKey& key : keys) Forget(key);
    segments_.erase(segment->header.sequence);
  }
  if (const absl::Status status = folder_->Remove(segment->file_name); !status.ok())
    LogWarning("segment stays", {{"file", segment->file_name}, {"reason", status.message()}});
}

// Of those that do not grow any more.
std::shared_ptr<DiskTier::Segment> DiskTier::LeastLive() const {
  std::lock_guard<std::mutex> lock(mu_);
  std::shared_ptr<Segment> least;
  for (const auto& [_, segment] : segments_) {
    if (segment == active_) continue;
    if (least == nullptr || segment->live_bytes < least->live_bytes) least = segment;
  }
  return least;
}

uint64_t DiskTier::FileBytes() const {
  std::lock_guard<std::mutex> lock(mu_);
  uint64_t bytes = 0;
  for (const auto& [_, segment] : segments_) bytes += segment->size;
  return bytes;
}

void DiskTier::Insert(Place place, absl::Time now) {
  const ObjectName& name = place.name;
  const uint64_t bytes = RecordBytes(place.payload_bytes);
  place.segment->live_bytes += bytes;
  live_bytes_ += bytes;
  policy_.Add(name.key, name.parent, now);
  const ObjectKey key = name.key;
  CHECK(places_.emplace(key, std::move(place)).second);
}

void DiskTier::Forget(const ObjectKey& key) {
  const auto it = places_.find(key);
  const uint64_t bytes = RecordBytes(it->second.payload_bytes);
  it->second.segment->live_bytes -= bytes;
  live_bytes_ -= bytes;
  policy_.Remove(key);
  places_.erase(it);
}

bool DiskTier::Holds(const ObjectKey& key) const {
  std::lock_guard<std::mutex> lock(mu_);
  return places_.contains(key);
}

std::optional<RecordHeader> DiskTier::Describe(const ObjectKey& key) const {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = places_.find(key);
  if (it == places_.end()) return std::nullopt;
  return RecordHeader{it->second.name, it->second.payload_bytes, it->second.checksum};
}

absl::StatusOr<DiskTier::Loaded> DiskTier::Read(const ObjectKey& key) {
  Place place;
  {
    std::lock_guard<std::mutex> lock(mu_);
    const auto it = places_.find(key);
    if (it == places_.end()) return absl::NotFoundError(key.Text());
    place = it->second;
  }
  return ReadPlace(place);
}

absl::StatusOr<DiskTier::Loaded> DiskTier::ReadPlace(const Place& place) {
  auto payload = std::make_shared<std::string>(place.payload_bytes, '\0');
  const absl::StatusOr<size_t> num_read = place.segment->file->ReadAt(place.offset, *payload);
  const bool is_whole = num_read.ok() && *num_read == payload->size() &&
                        ObjectChecksum(place.name.key, *payload) == place.checksum;
  if (is_whole) return Loaded{place.name, std::move(payload), place.checksum};
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++(num_read.ok() ? counts_.corrupt : counts_.read_errors);
    const auto it = places_.find(place.name.key);
    if (it != places_.end() && it->second.segment == place.segment &&
        it->second.offset == place.offset) {
      Forget(place.name.key);
    }
  }
  const std::string what = absl::StrCat(
      place.segment->file_name, " at ", place.offset, ": ",
      num_read.ok() ? "the payload does not fit its checksum" : num_read.status().message());
  LogWarning("object lost", {{"object", place.name.key.Text()}, {"reason", what}});
  return num_read.ok() ? absl::DataLossError(what) : absl::UnavailableError(what);
}

void DiskTier::Touch(std::span<const ObjectKey> keys, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  for (size_t i = keys.size(); i-- > 0;) policy_.Touch(keys[i], now);
}

void DiskTier::Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  policy_.Hint(keys, hint, now);
}

bool DiskTier::Remove(const ObjectKey& key) {
  std::lock_guard<std::mutex> lock(mu_);
  if (!places_.contains(key)) return false;
  Forget(key);
  return true;
}

void DiskTier::ForEach(
    const std::function<void(const ObjectName&, uint64_t payload_bytes)>& each) const {
  std::vector<std::pair<ObjectName, uint64_t>> objects;
  {
    std::lock_guard<std::mutex> lock(mu_);
    objects.reserve(places_.size());
    for (const auto& [_, place] : places_) objects.emplace_back(place.name, place.payload_bytes);
  }
  for (const auto& [name, bytes] : objects) each(name, bytes);
}

size_t DiskTier::num_objects() const {
  std::lock_guard<std::mutex> lock(mu_);
  return places_.size();
}
uint64_t DiskTier::live_bytes() const {
  std::lock_guard<std::mutex> lock(mu_);
  return live_bytes_;
}
uint64_t DiskTier::file_bytes() const { return FileBytes(); }
DiskTier::Counts DiskTier::counts() const {
  std::lock_guard<std::mutex> lock(mu_);
  return counts_;
}

}  // namespace coterie
