// Pictures of equal size into a video file, by the program ffmpeg as a child process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace eaudeqn {

// Thread safety: one owner.
class VideoWriter {
 public:
  // The extension chooses the format: .mp4 (H.264), .webm (VP9), .webp, .gif. Width and height must be even. Throws
  // Error::usage for another extension or size, Error::failure where ffmpeg is missing or the directory cannot be
  // written.
  VideoWriter(const std::filesystem::path& file, std::size_t width, std::size_t height, double frames_per_second);
  // The check of the extension alone, for those who want to know before hours of work.
  static void require_extension(const std::filesystem::path& file);
  // Without finish() there will be no file.
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // width * height pixels of three bytes. Throws Error::failure with ffmpeg's own words when it has given up. It never
  // raises SIGPIPE.
  void add(std::span<const std::uint8_t> rgb);
  // Waits for ffmpeg. After it returns the file is there, whole; if it throws, a former file is untouched.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn
