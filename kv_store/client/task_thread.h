// TaskThread: the thread on which a store calls back what did not come from the network.
//
// Thread-safe. What was posted is run, in its order, before the destructor returns.
#ifndef COTERIE_KV_STORE_CLIENT_TASK_THREAD_H_
#define COTERIE_KV_STORE_CLIENT_TASK_THREAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace coterie {

class TaskThread {
 public:
  TaskThread() : thread_([this] { Run(); }) {}
  ~TaskThread() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  void Post(std::function<void()> task) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds may post
      lock.lock();
    }
  }

  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool stop_ = false;
  std::deque<std::function<void()>> tasks_;

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_TASK_THREAD_H_
