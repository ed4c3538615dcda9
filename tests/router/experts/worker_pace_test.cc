#include "router/experts/worker_pace.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

using Seconds = WorkerPace::Seconds;

class WorkerPaceTest : public testing::Test {
 protected:
  void Pass(double seconds) {
    now_ += std::chrono::duration_cast<WorkerPace::Clock::duration>(Seconds(seconds));
  }
  void Answer(int64_t num_pairs, double took) {
    pace_.Answered(num_pairs, static_cast<double>(num_pairs), Seconds(took), Seconds(took), now_);
  }
  double Patience(int64_t num_pairs) const { return Seconds(pace_.Patience(num_pairs)).count(); }

  WorkerPace pace_;
  WorkerPace::Clock::time_point now_ = WorkerPace::Clock::now();
};

TEST_F(WorkerPaceTest, PatienceFollowsWhatAnswersTake) {
  for (int i = 0; i < 200; ++i) Answer(8, 1e-3);
  EXPECT_NEAR(Patience(8), 0.1 + 8 * 1e-3, 1e-3);
  for (int i = 0; i < 200; ++i) Answer(1016, 0.101);
  // 100 us a pair.
  EXPECT_NEAR(Patience(2016), 0.1 + 8 * 0.201, 0.02);
  EXPECT_NEAR(Patience(8), 0.1 + 8 * 1e-3, 1e-3);
}

TEST_F(WorkerPaceTest, ASilentWorkerIsASuspectUntilItHasAnsweredAndAPauseIsOver) {
  for (int i = 0; i < 100; ++i) Answer(8, 1e-3);
  EXPECT_FALSE(pace_.is_suspect(now_));
  pace_.Overdue(now_);
  Pass(3600);
  EXPECT_TRUE(pace_.is_suspect(now_));
  EXPECT_TRUE(pace_.is_silent());
  Answer(8, 1);
  EXPECT_FALSE(pace_.is_silent());
  EXPECT_TRUE(pace_.is_suspect(now_));
  Pass(0.11);
  EXPECT_FALSE(pace_.is_suspect(now_));
}

TEST_F(WorkerPaceTest, AWorkerThatIsSlowAgainAndAgainIsLeftAloneForLonger) {
  double last = 0;
  for (int offence = 0; offence < 12; ++offence) {
    pace_.Overdue(now_);
    Pass(0.2);
    pace_.Spoke(now_);
    double pause = 0;
    while (pace_.is_suspect(now_)) {
      Pass(0.05);
      pause += 0.05;
    }
    EXPECT_GE(pause, last - 0.051);
    EXPECT_LE(pause, 10.06);
    last = pause;
  }
  EXPECT_GT(last, 9);
  // And forgiven.
  Pass(31);
  Answer(8, 1e-3);
  pace_.Overdue(now_);
  pace_.Spoke(now_);
  Pass(0.11);
  EXPECT_FALSE(pace_.is_suspect(now_));
}

TEST_F(WorkerPaceTest, OneLongPauseDoesNotMakeItTrustedForAsLong) {
  for (int i = 0; i < 100; ++i) Answer(8, 1e-3);
  Answer(8, 600);
  EXPECT_LT(Patience(8), 1);
}

TEST_F(WorkerPaceTest, ANewConnectionStartsAfresh) {
  pace_.Overdue(now_);
  pace_.Connected();
  EXPECT_FALSE(pace_.is_suspect(now_));
  EXPECT_EQ(pace_.seconds_per_cost(), 0);
}

}  // namespace
}  // namespace coterie
