// See film.h.
#include "report/film.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "eaudeqn/error.h"
#include "report/video_writer.h"

namespace eaudeqn {
namespace {

constexpr Colour kBackground{13, 17, 23}, kPanel{31, 40, 51}, kInk{232, 237, 244}, kMuted{140, 154, 172},
    kChosen{116, 174, 255}, kBar{62, 80, 104}, kRandom{255, 154, 98};
constexpr int kMargin = 12, kHeader = 34, kPanelWidth = 252, kRow = 13, kLabel = 16;
constexpr double kMostFramesPerSecond = 50, kUsualFramesPerSecond = 30;

struct Enlargement {
  int horizontal = 1, vertical = 1;
};

// Atari's pixels are wider than high. Everything else is large enough.
Enlargement enlargement(const Picture& picture) { return picture.width <= 160 ? Enlargement{3, 2} : Enlargement{1, 1}; }

std::string action_label(const EnvironmentSpec& spec, std::size_t action) {
  return spec.continuous() ? fmt::format("action {}", action) : spec.action_names[action];
}

bool has_frames(const EnvironmentSpec& spec) {
  return spec.frame_type == ElementType::uint8 && spec.frame_shape.size() == 2;
}

// What the network sees: the stacked frames, two by two, oldest first. Returns the y below it.
int draw_observation(Canvas& canvas, int x, int y, const EvaluationView& view, const EnvironmentSpec& spec) {
  if (!has_frames(spec)) return y;
  const std::size_t side = spec.frame_shape[1], bytes = spec.frame_bytes();
  const int step = static_cast<int>(side) + 6;
  canvas.text(x, y, "what the agent sees", kMuted);
  y += kLabel;
  for (std::size_t i = 0; i < spec.stack; ++i) {
    const auto plane = view.observation.subspan(i * bytes, bytes);
    canvas.draw_gray(x + static_cast<int>(i % 2) * step, y + static_cast<int>(i / 2) * step,
                     {reinterpret_cast<const std::uint8_t*>(plane.data()), plane.size()}, side, 1);
  }
  return y + static_cast<int>((spec.stack + 1) / 2) * step + kMargin / 2;
}

void draw_values(Canvas& canvas, int x, int y, const EvaluationView& view, const EnvironmentSpec& spec, double lowest,
                 double highest) {
  canvas.text(x, y, spec.continuous() ? "mean action" : "value of each action", kMuted);
  y += kLabel;
  const int labels = 92, numbers = 44, width = kPanelWidth - 2 * kMargin - labels - numbers;
  for (std::size_t a = 0; a < view.values.size(); ++a, y += kRow) {
    const bool taken = static_cast<int>(a) == view.action && !view.over;
    const Colour colour = !taken ? kBar : view.random ? kRandom : kChosen;
    canvas.text(x, y + 1, action_label(spec, a), taken ? kInk : kMuted);
    const double value = view.values[a];
    const auto place = [&](double v) {
      const double share = highest > lowest ? std::clamp((v - lowest) / (highest - lowest), 0.0, 1.0) : 0.5;
      return static_cast<int>(std::lround(share * width));
    };
    canvas.fill(x + labels, y, width, kRow - 4, kPanel);
    if (spec.continuous()) {  // from the middle
      const int from = std::min(place(0), place(value)), to = std::max(place(0), place(value));
      canvas.fill(x + labels + from, y, std::max(to - from, 1), kRow - 4, kChosen);
    } else {
      canvas.fill(x + labels, y, std::max(place(value), 1), kRow - 4, colour);
    }
    canvas.text(x + labels + width + 6, y + 1, fmt::format("{:.{}f}", value, std::abs(value) < 100 ? 2 : 0),
                taken ? kInk : kMuted);
  }
  if (view.random && !view.over) canvas.text(x, y + 4, "random action", kRandom);
}

}  // namespace

Canvas film_frame(const EvaluationView& view, const Picture& picture, double lowest, double highest) {
  const EnvironmentSpec& spec = view.environment.spec();
  const Enlargement enlarged = enlargement(picture);
  const int width = static_cast<int>(picture.width) * enlarged.horizontal;
  const int height = static_cast<int>(picture.height) * enlarged.vertical;
  const int rows = static_cast<int>(std::max(spec.actions(), spec.action_dimensions())) + 1;
  const int frames =
      has_frames(spec) ? kLabel + static_cast<int>((spec.stack + 1) / 2 * (spec.frame_shape[0] + 6)) + kMargin : 0;
  const int panel = frames + kLabel + rows * kRow;
  const int total_height = kHeader + std::max(height, panel) + kMargin;
  Canvas canvas(static_cast<std::size_t>(width + kPanelWidth + 2 * kMargin) / 2 * 2,
                static_cast<std::size_t>(total_height + 1) / 2 * 2, kBackground);
  canvas.text(kMargin, 11, spec.name, kInk, 2);
  const std::string numbers = fmt::format("episode {}  step {}  return {:.{}f}", view.episode + 1, view.step,
                                          view.episode_return, spec.continuous() ? 1 : 0);
  canvas.text(static_cast<int>(canvas.width()) - kMargin - Canvas::text_width(numbers), 14, numbers, kMuted);
  canvas.draw_rgb(kMargin, kHeader, picture.rgb, picture.width, enlarged.horizontal, enlarged.vertical);
  const int x = width + 2 * kMargin;
  const int y = draw_observation(canvas, x, kHeader, view, spec);
  draw_values(canvas, x, y, view, spec, lowest, highest);
  return canvas;
}

struct Film::State {
  std::filesystem::path file;
  std::optional<VideoWriter> writer;
  std::int64_t every = 1;  // steps
  double lowest = std::numeric_limits<double>::infinity(), highest = -std::numeric_limits<double>::infinity();
};

Film::Film(const std::filesystem::path& file) : state_(std::make_unique<State>()) {
  state_->file = file;
  VideoWriter::require_extension(file);
}

Film::~Film() = default;

void Film::add(const EvaluationView& view) {
  State& state = *state_;
  if (view.step % state.every != 0 && !view.over) return;
  const EnvironmentSpec& spec = view.environment.spec();
  const Picture picture = view.environment.picture();
  // The scale only ever widens, so that bars of one moment can be compared with those of another.
  for (const float value : view.values) {
    if (!std::isfinite(value)) continue;
    state.lowest = std::min<double>(state.lowest, value);
    state.highest = std::max<double>(state.highest, value);
  }
  if (spec.continuous()) state.lowest = -1, state.highest = 1;
  const Canvas frame = film_frame(view, picture, state.lowest, state.highest);
  if (!state.writer) {
    double rate = spec.step_seconds > 0 ? 1 / spec.step_seconds : kUsualFramesPerSecond;
    state.every = static_cast<std::int64_t>(std::ceil(rate / kMostFramesPerSecond - 1e-9));
    rate /= static_cast<double>(state.every);
    state.writer.emplace(state.file, frame.width(), frame.height(), rate);
  }
  state.writer->add(frame.pixels());
}

void Film::finish() {
  if (state_->writer) state_->writer->finish();
}

}  // namespace eaudeqn
