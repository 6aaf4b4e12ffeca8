// See progress.h.
#include "experiment/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace eaudeqn {
namespace {

constexpr double kLivePeriodSeconds = 0.25;
constexpr double kRateWindowSeconds = 20;

bool live_terminal() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::size_t terminal_columns() { return window_size(STDERR_FILENO, {}).columns; }

void write_error(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

WindowSize window_size(int descriptor, WindowSize otherwise) {
  winsize size = {};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return otherwise;
  if (size.ws_col > 0) otherwise.columns = size.ws_col;
  if (size.ws_row > 0) otherwise.rows = size.ws_row;
  return otherwise;
}

std::string format_duration(double seconds) {
  const auto total = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {:02} s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{} h {:02} min", total / 3600, total / 60 % 60);
  return fmt::format("{} d {:02} h", total / 86400, total / 3600 % 24);
}

ProgressLine::ProgressLine(double plain_period_seconds)
    : live_(live_terminal()),
      period_seconds_(live_ ? kLivePeriodSeconds : plain_period_seconds),
      last_(std::chrono::steady_clock::now()) {}

ProgressLine::~ProgressLine() {
  if (shown_) write_error("\n");
}

bool ProgressLine::due() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - last_).count() >= period_seconds_;
}

void ProgressLine::show(const std::string& line) {
  last_ = std::chrono::steady_clock::now();
  if (!live_) {
    write_error(line + "\n");
    return;
  }
  clear();
  write_error(line.substr(0, terminal_columns() - 1));
  shown_ = true;
}

void ProgressLine::print(const std::string& line) {
  clear();
  write_error(line + "\n");
}

void ProgressLine::clear() {
  if (shown_) write_error("\r\x1b[K");
  shown_ = false;
}

ProgressTable::ProgressTable() : live_(live_terminal()) {}

WindowSize ProgressTable::window() const {
  WindowSize size = window_size(STDERR_FILENO, {});
  size.columns = std::max<std::size_t>(2, size.columns) - 1;  // a full line would wrap on some terminals
  size.rows = std::max<std::size_t>(2, size.rows) - 1;
  return size;
}

void ProgressTable::show(const std::vector<std::string>& lines) {
  if (!live_) return;
  clear();
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_error(text);
  shown_ = lines.size();
}

void ProgressTable::print(const std::string& line) {
  clear();
  write_error(line + "\n");
}

void ProgressTable::clear() {
  if (shown_ > 0) write_error(fmt::format("\x1b[{}A\r\x1b[J", shown_));
  shown_ = 0;
}

void RateMeter::add(std::int64_t step) {
  const double now = elapsed_seconds();
  samples_.push_back({now, step});
  while (samples_.size() > 2 && samples_[1].seconds < now - kRateWindowSeconds) samples_.erase(samples_.begin());
}

double RateMeter::per_second() const {
  if (samples_.size() < 2 || samples_.back().seconds <= samples_.front().seconds) return 0;
  return static_cast<double>(samples_.back().step - samples_.front().step) /
         (samples_.back().seconds - samples_.front().seconds);
}

std::string RateMeter::time_for(double steps) const {
  const double rate = per_second();
  return rate > 0 ? format_duration(steps / rate) : "?";
}

double RateMeter::elapsed_seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace eaudeqn
