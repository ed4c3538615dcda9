// What ThreadSanitizer is told about gRPC's callback API: its templates are compiled into our
// objects, but the library around them, with the locks that order them, is not instrumented, and
// TSan sees races where there are none. What gRPC calls back is left out therefore;
// answer_writer_test runs the same code without gRPC. All else is reported: the engine, the HTTP
// door, the links to workers.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race:^grpc::internal::Callback\nrace:grpc::Server::CallbackRequest\n";
}
#endif
