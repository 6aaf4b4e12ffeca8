// Films: what is drawn where, what ffmpeg makes of it, and what is said when it cannot. Needs ffmpeg, as ./test
// installs.
#include "report/film.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "core/frame_stack.h"
#include "core/test_directory.h"
#include "report/video_writer.h"

namespace eaudeqn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Colour pixel(const Canvas& canvas, std::size_t x, std::size_t y) {
  const auto* at = &canvas.pixels()[(y * canvas.width() + x) * 3];
  return {at[0], at[1], at[2]};
}

TEST(Canvas, WhatLiesOutsideIsNotDrawn) {
  Canvas canvas(4, 3, {1, 2, 3});
  canvas.fill(-5, -5, 100, 7, {9, 9, 9});
  EXPECT_EQ(pixel(canvas, 3, 1), (Colour{9, 9, 9}));
  EXPECT_EQ(pixel(canvas, 0, 2), (Colour{1, 2, 3}));
  canvas.text(2, 1, "WIDE", {5, 5, 5}, 3);
  EXPECT_EQ(Canvas::text_width("AB", 2), 22);
}

TEST(Canvas, EnlargesPixelsToBlocks) {
  Canvas canvas(6, 4, {0, 0, 0});
  const std::uint8_t rgb[] = {10, 11, 12, 20, 21, 22};
  canvas.draw_rgb(0, 0, rgb, 2, 3, 2);
  EXPECT_EQ(pixel(canvas, 2, 1), (Colour{10, 11, 12}));
  EXPECT_EQ(pixel(canvas, 3, 0), (Colour{20, 21, 22}));
  EXPECT_EQ(pixel(canvas, 3, 2), (Colour{0, 0, 0}));
}

// An environment with a picture and a stack of bytes, small enough to look through by eye.
class Window : public Environment {
 public:
  Window() {
    spec_.name = "test/window";
    spec_.frame_type = ElementType::uint8;
    spec_.frame_shape = {2, 2};
    spec_.stack = 2;
    spec_.action_names = {"LEFT", "RIGHT"};
    spec_.step_seconds = 0.01;
  }
  const EnvironmentSpec& spec() const override { return spec_; }
  void reset() override {}
  std::span<const std::byte> frame() const override { return {}; }
  void set_initial_state(std::span<const double>) override {}
  std::vector<std::byte> save() const override { return {}; }
  void load(std::span<const std::byte>) override {}
  Picture picture() override { return {2, 1, {200, 0, 0, 0, 0, 200}}; }

 private:
  EnvironmentSpec spec_;
};

struct Scene {
  Window environment;
  std::vector<std::byte> planes = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                   std::byte{5}, std::byte{6}, std::byte{7}, std::byte{250}};
  std::vector<float> values = {-1.0F, 3.0F};

  EvaluationView view() { return {environment, planes, values, 1, false, false, 0, 0, 0}; }
};

TEST(FilmFrame, HoldsThePictureAndTheStackPixelByPixel) {
  Scene scene;
  const Canvas canvas = film_frame(scene.view(), scene.environment.picture(), -1, 3);
  EXPECT_EQ(canvas.width() % 2 + canvas.height() % 2, 0U);
  EXPECT_EQ(pixel(canvas, 12, 34), (Colour{200, 0, 0}));
  EXPECT_EQ(pixel(canvas, 15, 35), (Colour{0, 0, 200}));
  const std::size_t x = 6 + 24, y = 34 + 16;  // below the heading, right of the picture
  EXPECT_EQ(pixel(canvas, x, y), (Colour{1, 1, 1}));
  EXPECT_EQ(pixel(canvas, x + 1, y + 1), (Colour{4, 4, 4}));
  EXPECT_EQ(pixel(canvas, x + 8 + 1, y + 1), (Colour{250, 250, 250}));
}

TEST(FilmFrame, BarsAreAsLongAsTheirValuesAndTheChosenOneStandsOut) {
  Scene scene;
  const auto bar = [&](const Canvas& canvas, std::size_t row) {
    const std::size_t x = 30 + 92, y = 34 + 16 + 8 + 6 + 16 + row * 13 + 1;
    const Colour colour = pixel(canvas, x, y);
    std::size_t length = 0;
    while (pixel(canvas, x + length, y) == colour) ++length;
    return std::pair(colour, length);
  };
  const Canvas whole = film_frame(scene.view(), scene.environment.picture(), -1, 3);
  const Canvas half = film_frame(scene.view(), scene.environment.picture(), -5, 11);
  EXPECT_NE(bar(whole, 0).first, bar(whole, 1).first);
  EXPECT_EQ(bar(whole, 1).second, 92U);
  EXPECT_EQ(bar(half, 1).second, 46U);
  EXPECT_EQ(bar(half, 0).second, 23U);
}

TEST(Film, EveryFormatIsWrittenWithTheRightNumberOfFrames) {
  const TestDirectory directory;
  for (const char* extension : {".mp4", ".webm", ".webp", ".gif", ".MP4"}) {
    const auto file = directory.path() / (std::string("film") + extension);
    Scene scene;
    Film film(file);
    for (int step = 0; step < 10; ++step) {
      EvaluationView view = scene.view();
      view.step = step;
      film.add(view);
    }
    film.finish();
    EXPECT_GT(std::filesystem::file_size(file), 100U) << extension;
    const std::string probe =
        "ffprobe -loglevel error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 '" + file.string() +
        "' > '" + (directory.path() / "count").string() + "' 2>&1";
    if (std::string(extension) == ".webp") continue;  // ffmpeg writes these and cannot read them
    ASSERT_EQ(std::system(probe.c_str()), 0) << extension;
    int frames = 0;
    std::ifstream(directory.path() / "count") >> frames;
    EXPECT_EQ(frames, 5) << extension << ": a hundred steps a second are shown fifty times";
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    EXPECT_THAT(entry.path().string(), testing::Not(HasSubstr("unfinished")));
  }
}

TEST(Film, ErrorsSayWhatToDoAndLeaveTheFormerFile) {
  const TestDirectory directory;
  EXPECT_THAT(usage_message([&] { Film film("film.avi"); }), HasSubstr(".mp4, .webm, .webp or .gif"));
  const auto file = directory.path() / "film.mp4";
  std::ofstream(file) << "former";
  {
    VideoWriter abandoned(file, 4, 4, 10);
    abandoned.add(std::vector<std::uint8_t>(48));
  }
  EXPECT_EQ(std::filesystem::file_size(file), 6U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);

  // A directory in which nobody can make files: ffmpeg gives up while it is being written to.
  const std::string message = failure_message([&] {
    VideoWriter writer("/proc/self/film.mp4", 640, 480, 10);
    for (int i = 0; i < 100; ++i) writer.add(std::vector<std::uint8_t>(std::size_t{640} * 480 * 3));
  });
  EXPECT_THAT(message, AllOf(HasSubstr("/proc/self/film.mp4"), HasSubstr("ffmpeg could not write it")));

  const std::string path = ::getenv("PATH");
  ::setenv("PATH", directory.path().c_str(), 1);
  const std::string missing = failure_message([&] { VideoWriter writer(file, 4, 4, 10); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_THAT(missing, HasSubstr("apt install ffmpeg"));
}

}  // namespace
}  // namespace eaudeqn
