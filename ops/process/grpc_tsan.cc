// What ThreadSanitizer is told about gRPC: its templates are compiled into our objects, but the
// library around them, with the locks that order them, is not instrumented, and TSan sees races
// where there are none. What gRPC calls back is left out therefore (answer_writer_test runs the
// same code without gRPC), and the bookkeeping of an operation on its way through a completion
// queue. All else is reported: the engine, the HTTP door, our side of the links to workers.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race:^grpc::internal::Callback\n"
         "race:grpc::Server::CallbackRequest\n"
         "race:grpc::Server::SyncRequest\n"
         "race:^grpc::internal::CallOpSet\n";
}
#endif
