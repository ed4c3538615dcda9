// Answers that repeat themselves, and answers that only look like it. The judge is the definition,
// in plain loops.
#include "router/rails/tail_cycle.h"

#include <gtest/gtest.h>

#include <random>

namespace coterie {
namespace {

// The definition: the shortest period whose last kRepeatsMin repetitions, and kTokensMin tokens,
// all agree.
int64_t PlainPeriod(const std::vector<int32_t>& tokens) {
  const auto size = static_cast<int64_t>(tokens.size());
  for (int64_t period = 1; period <= TailCycle::kPeriodMax; ++period) {
    const int64_t need = std::max(TailCycle::kRepeatsMin * period, TailCycle::kTokensMin);
    if (need > size) continue;
    bool same = true;
    for (int64_t i = size - need + period; i < size && same; ++i)
      same = tokens[static_cast<size_t>(i)] == tokens[static_cast<size_t>(i - period)];
    if (same) return period;
  }
  return 0;
}

// Where the detector first says something, and what; (-1, 0) when it never does.
std::pair<int64_t, int64_t> FirstCycle(const std::vector<int32_t>& tokens) {
  TailCycle cycle;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (const int64_t period = cycle.Append(tokens[i]); period > 0)
      return {static_cast<int64_t>(i), period};
  }
  return {-1, 0};
}

std::vector<int32_t> Repeated(const std::vector<int32_t>& piece, int64_t count) {
  std::vector<int32_t> all;
  for (int64_t i = 0; i < count; ++i) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

TEST(TailCycleTest, OneTokenIsACycleWhenItHasComeFortyEightTimes) {
  EXPECT_EQ(FirstCycle(Repeated({7}, 47)), std::pair(int64_t{-1}, int64_t{0}));
  EXPECT_EQ(FirstCycle(Repeated({7}, 60)), std::pair(int64_t{47}, int64_t{1}));
}

TEST(TailCycleTest, ALongPieceIsACycleWhenItHasComeFourTimes) {
  std::vector<int32_t> piece(200);
  for (size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<int32_t>(i);
  EXPECT_EQ(FirstCycle(Repeated(piece, 3)).first, -1);
  EXPECT_EQ(FirstCycle(Repeated(piece, 5)), std::pair(int64_t{799}, int64_t{200}));
}

TEST(TailCycleTest, LongerPeriodsThanTheLimitPass) {
  std::vector<int32_t> piece(TailCycle::kPeriodMax + 1);
  for (size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<int32_t>(i);
  EXPECT_EQ(FirstCycle(Repeated(piece, 8)).first, -1);
}

TEST(TailCycleTest, SmallDifferencesAreNoCycle) {
  std::vector<int32_t> list;
  for (int32_t line = 0; line < 100; ++line) {
    for (int32_t token : {1, 2, 3, 1000 + line, 4}) list.push_back(token);
  }
  EXPECT_EQ(FirstCycle(list).first, -1);
}

TEST(TailCycleTest, AgreesWithTheDefinitionEverywhere) {
  std::mt19937 rng(3);
  for (int round = 0; round < 60; ++round) {
    std::vector<int32_t> tokens;
    TailCycle cycle;
    for (int part = 0; part < 6; ++part) {
      std::vector<int32_t> piece(rng() % 90 + 1);
      for (int32_t& token : piece) token = static_cast<int32_t>(rng() % 3);
      for (const int32_t token : Repeated(piece, static_cast<int64_t>(rng() % 6))) {
        tokens.push_back(token);
        ASSERT_EQ(cycle.Append(token), PlainPeriod(tokens)) << "after " << tokens.size();
      }
    }
  }
}

}  // namespace
}  // namespace coterie
