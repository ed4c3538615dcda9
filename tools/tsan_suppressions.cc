// Reports that ThreadSanitizer makes about libraries of the system, which are not instrumented: it
// sees their memory accesses through our allocations, but not the locks that order them. Linked
// into every binary by --config=tsan.
//
// Status::Unref stands by name: two copies of one absl::Status share a counted block, and the last
// to let go frees it. The counting up is inlined into our code, the counting down is in libabsl, so
// the release of the other copy goes unseen, and no frame of libabsl is left in the report.
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race:libgrpc\n"
         "race:libgpr\n"
         "race:libprotobuf\n"
         "race:libabsl\n"
         "race:Status::Unref\n"
         "race:libprometheus\n"
         "race:libcivetweb\n"
         "race:libspdlog\n"
         "deadlock:libgrpc\n";
}
