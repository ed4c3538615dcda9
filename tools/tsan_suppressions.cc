// Reports that ThreadSanitizer makes about libraries of the system, which are not instrumented: it
// sees their memory accesses through our allocations, but not the locks that order them. Linked
// into every binary by --config=tsan.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libgrpc\n"
         "race:libgpr\n"
         "race:libprotobuf\n"
         "race:libabsl\n"
         "race:libprometheus\n"
         "race:libcivetweb\n"
         "race:libspdlog\n"
         "deadlock:libgrpc\n";
}
