// See video_writer.h.
#include "report/video_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/nearest.h"
#include "eaudeqn/error.h"

extern char** environ;

namespace eaudeqn {
namespace {

using Words = std::vector<std::string>;

// What ffmpeg needs to be told for each extension.
const std::map<std::string, Words>& formats() {
  static const std::map<std::string, Words> table = {
      // The pixel format and the index at the front are what browsers want.
      {".mp4", {"-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-movflags", "+faststart", "-f", "mp4"}},
      {".webm", {"-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p", "-crf", "32", "-b:v", "0", "-f", "webm"}},
      {".webp", {"-c:v", "libwebp_anim", "-lossless", "0", "-quality", "70", "-loop", "0", "-f", "webp"}},
      {".gif",
       {"-filter_complex", "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=none", "-f", "gif"}},
  };
  return table;
}

std::string last_line(const std::string& text) {
  std::string trimmed = text;
  while (!trimmed.empty() && (trimmed.back() == '\n' || trimmed.back() == '\r')) trimmed.pop_back();
  return trimmed.substr(trimmed.find_last_of('\n') + 1);
}

}  // namespace

struct VideoWriter::State {
  std::filesystem::path file, unfinished;
  std::size_t frame_bytes = 0;
  int input = -1;     // our end of ffmpeg's standard input
  int messages = -1;  // a file in memory that is its standard error
  pid_t child = -1;

  ~State() {
    if (input >= 0) ::close(input);
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    if (messages >= 0) ::close(messages);
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
  }

  std::string said() const {
    std::string text(4096, '\0');
    const ssize_t size = ::pread(messages, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return last_line(text);
  }

  [[noreturn]] void fail() const {
    const std::string words = said();
    throw Error::failure(fmt::format("{}: ffmpeg could not write it: {}", file.string(),
                                     words.empty() ? "it ended without a word" : words));
  }

  void start(Words command) {
    // A socket rather than a pipe: writing to one whose reader is gone can be told not to raise SIGPIPE.
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw Error::failure(std::string("no connection to ffmpeg: ") + std::strerror(errno));
    }
    input = ends[0];
    messages = ::memfd_create("ffmpeg", MFD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // Ctrl-C is for us to answer: a terminal sends it to the whole group.
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    const int failed = ::posix_spawnp(&child, "ffmpeg", &actions, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (failed == 0) return;
    child = -1;
    throw Error::failure(
        fmt::format("{}: videos need the program ffmpeg, which cannot be run ({}): install it (Debian, "
                    "Ubuntu: apt install ffmpeg), or leave out --video",
                    file.string(), std::strerror(failed)));
  }
};

VideoWriter::VideoWriter(const std::filesystem::path& file, std::size_t width, std::size_t height,
                         double frames_per_second)
    : state_(std::make_unique<State>()) {
  require_extension(file);
  if (width % 2 != 0 || height % 2 != 0) throw Error::usage("a video's width and height must be even");
  state_->file = file;
  state_->unfinished = file;
  state_->unfinished += fmt::format(".unfinished.{}", ::getpid());
  state_->frame_bytes = width * height * 3;
  const std::filesystem::path directory = file.has_parent_path() ? file.parent_path() : ".";
  if (!std::filesystem::is_directory(directory)) {
    throw Error::failure(directory.string() + ": no such directory for the video; make it first");
  }
  Words command = {"ffmpeg",     "-hide_banner",
                   "-loglevel",  "error",
                   "-nostdin",   "-y",
                   "-f",         "rawvideo",
                   "-pix_fmt",   "rgb24",
                   "-s",         fmt::format("{}x{}", width, height),
                   "-framerate", fmt::format("{}", frames_per_second),
                   "-i",         "pipe:0"};
  const Words& format = formats().at(lower_case(file.extension().string()));
  command.insert(command.end(), format.begin(), format.end());
  command.push_back("file:" + state_->unfinished.string());
  state_->start(std::move(command));
}

void VideoWriter::require_extension(const std::filesystem::path& file) {
  if (formats().contains(lower_case(file.extension().string()))) return;
  throw Error::usage(file.string() + ": a video is a .mp4, .webm, .webp or .gif; the name's end chooses");
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::add(std::span<const std::uint8_t> rgb) {
  if (rgb.size() != state_->frame_bytes) throw Error::usage("a frame of another size than the video's");
  while (!rgb.empty()) {
    const ssize_t sent = ::send(state_->input, rgb.data(), rgb.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      ::waitpid(state_->child, nullptr, 0);
      state_->child = -1;
      state_->fail();
    }
    rgb = rgb.subspan(static_cast<std::size_t>(sent));
  }
}

void VideoWriter::finish() {
  ::close(state_->input);
  state_->input = -1;
  int status = 0;
  while (::waitpid(state_->child, &status, 0) < 0 && errno == EINTR) {
  }
  state_->child = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) state_->fail();
  write_file_atomically(state_->file, read_file(state_->unfinished));
}

}  // namespace eaudeqn
