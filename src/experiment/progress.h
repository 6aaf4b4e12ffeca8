// What a person sees while something long runs: a live line or table on a terminal, plain lines elsewhere. Nothing is
// decided here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace eaudeqn {

// 75 -> "1 min 15 s"; for ETAs.
std::string format_duration(double seconds);

struct WindowSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};
// Of the terminal behind a file descriptor; `otherwise` where there is none.
WindowSize window_size(int descriptor, WindowSize otherwise);

// Writes to stderr, so that stdout stays free for --json. On a terminal the line is rewritten about four times a second
// and cut to the window's width; elsewhere a line is printed every `plain_period` seconds. NO_COLOR and TERM=dumb mean
// plain lines too. Thread safety: none.
class ProgressLine {
 public:
  explicit ProgressLine(double plain_period_seconds = 15);
  ~ProgressLine();  // ends the live line

  bool due() const;                     // cheap; ask before composing a line
  void show(const std::string& line);   // the live line
  void print(const std::string& line);  // a line that stays

 private:
  void clear();

  bool live_;
  bool shown_ = false;
  double period_seconds_;
  std::chrono::steady_clock::time_point last_;
};

// The same for several lines, which replace each other as a whole.
class ProgressTable {
 public:
  ProgressTable();

  bool live() const { return live_; }  // else show() does nothing: print lines instead
  WindowSize window() const;           // what fits
  void show(const std::vector<std::string>& lines);
  void print(const std::string& line);  // a line that stays, above the table

 private:
  void clear();

  bool live_;
  std::size_t shown_ = 0;  // lines
};

// Steps per second over the last seconds, for rates and ETAs.
class RateMeter {
 public:
  void add(std::int64_t step);               // call now and then with the step reached
  double per_second() const;                 // 0 until known
  std::string time_for(double steps) const;  // at this rate, for an ETA; "?" until known
  double elapsed_seconds() const;            // since the first add

 private:
  struct Sample {
    double seconds;
    std::int64_t step;
  };
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<Sample> samples_;
};

}  // namespace eaudeqn
