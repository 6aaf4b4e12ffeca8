// The Atari protocol on ALE, and how its state is saved. Stacking, reward clipping and end-of-life tricks are not here.
//
// ALE's own state does not hold everything that its future depends on: the action that a sticky frame repeats, both
// frame buffers and the object masks of the video chip are missing. So a saved state is ALE's state from just before
// the episode's reset, when none of those matter, and the episode's actions; loading plays them again. The result is
// compared with a fingerprint of the saved moment.
#include "environments/atari.h"

#include <ale/ale_interface.hpp>
#include <ale/emucore/MD5.hxx>
#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "environments/area_resize.h"
#include "environments/atari_roms.h"
#include "environments/state_bytes.h"
#include "environments/step_check.h"

namespace eaudeqn {
namespace {

constexpr int frames_per_step = 4;
constexpr float repeat_action_probability = 0.25F;
constexpr std::size_t side = 84;               // pixels
constexpr std::int64_t half_an_hour = 27'000;  // steps
constexpr double frames_per_second = 60;

using Screen = std::vector<unsigned char>;

// Empty if ALE will run the file, else why not. ALE itself would end the process or play on with a damaged ROM.
std::string rom_defect(const std::filesystem::path& rom) {
  const std::vector<std::byte> content = read_file(rom);
  const std::string digest = ale::stella::MD5(reinterpret_cast<const std::uint8_t*>(content.data()),
                                              static_cast<std::uint32_t>(content.size()));
  const std::unique_ptr<ale::RomSettings> settings(ale::buildRomRLWrapper(rom, digest));
  if (settings == nullptr) return "ALE does not support it";
  if (settings->md5() != digest || settings->rom() != rom.stem().string()) {
    return "its MD5 is " + digest + ", not that of the supported ROM";
  }
  return "";
}

std::string action_name(ale::Action action) {
  const std::string name = ale::action_to_string(action);
  const std::string prefix = "PLAYER_A_";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// ALE's state, random generators included, as it serializes itself.
std::string ale_state(ale::ALEInterface& emulator) { return emulator.cloneState(true).serialize(); }

class AtariEnvironment : public Environment {
 public:
  AtariEnvironment(const std::string& name, const std::filesystem::path& rom, std::uint64_t seed, std::int64_t horizon);

  const EnvironmentSpec& spec() const override { return spec_; }
  void reset() override;
  StepResult step(int action) override;
  std::span<const std::byte> frame() const override { return std::as_bytes(std::span(frame_)); }
  Picture picture() override;
  void set_initial_state(std::span<const double> state) override;
  std::vector<std::byte> save() const override;
  void load(std::span<const std::byte> saved) override;

 private:
  void begin_episode();
  StepResult advance(std::size_t action);
  void resize_screen() { resize_->run(screens_[0], frame_); }
  std::uint64_t fingerprint() const;

  EnvironmentSpec spec_;
  std::int64_t horizon_;  // steps
  std::unique_ptr<ale::ALEInterface> emulator_ = std::make_unique<ale::ALEInterface>();
  ale::ActionVect actions_;
  std::unique_ptr<AreaResize> resize_;
  std::array<Screen, 2> screens_;  // the last two emulated frames of a step; see step
  std::vector<std::uint8_t> frame_ = std::vector<std::uint8_t>(side * side);
  std::string state_before_episode_;           // ALE's, just before the reset; empty before the first one
  std::vector<std::uint8_t> episode_actions_;  // since the reset
  bool running_ = false;                       // between a reset and the end of its episode
  bool watched_ = false;                       // picture() was called
  Screen former_colours_;                      // watched: of the last but one frame of the step; empty: there is none
};

AtariEnvironment::AtariEnvironment(const std::string& name, const std::filesystem::path& rom, std::uint64_t seed,
                                   std::int64_t horizon)
    : horizon_(horizon > 0 ? horizon : half_an_hour) {
  emulator_->setInt("random_seed", static_cast<int>(seed));
  emulator_->setFloat("repeat_action_probability", repeat_action_probability);
  emulator_->setInt("frame_skip", 1);
  emulator_->setBool("color_averaging", false);
  emulator_->setInt("max_num_frames_per_episode", 0);  // no limit of ALE's; the horizon is counted here
  emulator_->setBool("display_screen", false);
  emulator_->setBool("sound", false);
  emulator_->loadROM(rom);  // settings, the seed above all, count from here

  const auto& screen = emulator_->getScreen();
  for (Screen& buffer : screens_) buffer.assign(screen.height() * screen.width(), 0);
  resize_ = std::make_unique<AreaResize>(screen.height(), screen.width(), side, side);
  actions_ = emulator_->getMinimalActionSet();

  spec_.name = name;
  spec_.frame_type = ElementType::uint8;
  spec_.frame_shape = {side, side};
  spec_.stack = 4;
  for (const ale::Action action : actions_) spec_.action_names.push_back(action_name(action));
  spec_.clip_rewards = true;
  spec_.default_horizon = half_an_hour;
  spec_.step_seconds = frames_per_step / frames_per_second;
}

void AtariEnvironment::reset() {
  state_before_episode_ = ale_state(*emulator_);
  begin_episode();
}

void AtariEnvironment::begin_episode() {
  emulator_->reset_game();
  episode_actions_.clear();
  running_ = true;
  former_colours_.clear();
  emulator_->getScreenGrayscale(screens_[0]);
  std::fill(screens_[1].begin(), screens_[1].end(), static_cast<unsigned char>(0));
  resize_screen();
}

StepResult AtariEnvironment::step(int action) {
  require_step(spec_, running_, action);
  return advance(static_cast<std::size_t>(action));
}

StepResult AtariEnvironment::advance(std::size_t action) {
  StepResult result;
  for (int frame = 0; frame < frames_per_step && !result.terminal; ++frame) {
    result.reward += emulator_->act(actions_[action]);
    // A game that is over before the last two frames leaves the screens as they are, as in the code that is followed.
    const int screen = frame - (frames_per_step - 2);
    if (screen >= 0) emulator_->getScreenGrayscale(screens_[static_cast<std::size_t>(screen)]);
    if (screen == 0 && watched_) emulator_->getScreenRGB(former_colours_);
    result.terminal = emulator_->game_over(false);
  }
  episode_actions_.push_back(static_cast<std::uint8_t>(action));
  std::transform(screens_[0].begin(), screens_[0].end(), screens_[1].begin(), screens_[0].begin(),
                 [](unsigned char a, unsigned char b) { return std::max(a, b); });
  resize_screen();
  result.truncated = !result.terminal && static_cast<std::int64_t>(episode_actions_.size()) >= horizon_;
  running_ = !result.terminal && !result.truncated;
  return result;
}

// Games draw some objects in every other frame only, so of two frames the lighter pixel is shown, as agents see it.
Picture AtariEnvironment::picture() {
  watched_ = true;
  Picture picture;
  picture.width = emulator_->getScreen().width();
  picture.height = emulator_->getScreen().height();
  emulator_->getScreenRGB(picture.rgb);
  const auto lightness = [](const std::uint8_t* pixel) { return 3 * pixel[0] + 6 * pixel[1] + pixel[2]; };
  for (std::size_t i = 0; i < former_colours_.size(); i += 3) {
    const std::uint8_t* former = &former_colours_[i];
    if (lightness(former) > lightness(&picture.rgb[i])) std::copy(former, former + 3, &picture.rgb[i]);
  }
  return picture;
}

void AtariEnvironment::set_initial_state(std::span<const double>) {
  throw Error::usage(spec_.name + ": an Atari game has no initial state to set");
}

std::uint64_t AtariEnvironment::fingerprint() const {
  StateWriter writer(spec_.name);
  const std::string state = ale_state(*emulator_);
  writer.bytes(std::as_bytes(std::span(state)));
  for (const Screen& screen : screens_) writer.bytes(std::as_bytes(std::span(screen)));
  writer.bytes(frame());
  return checksum(writer.finish());
}

std::vector<std::byte> AtariEnvironment::save() const {
  const bool began = !state_before_episode_.empty();
  const std::string state = began ? state_before_episode_ : ale_state(*emulator_);
  StateWriter writer(spec_.name);
  writer.value(horizon_);
  writer.value(began);
  writer.bytes(std::as_bytes(std::span(state)));
  writer.bytes(std::as_bytes(std::span(episode_actions_)));
  writer.value(fingerprint());
  return writer.finish();
}

void AtariEnvironment::load(std::span<const std::byte> saved) {
  StateReader reader(spec_.name, saved);
  const auto horizon = reader.value<std::int64_t>();
  const bool began = reader.value<bool>();
  const auto state = reader.bytes();
  const auto actions = reader.bytes();
  const auto expected = reader.value<std::uint64_t>();
  reader.finish();
  if (std::any_of(actions.begin(), actions.end(),
                  [&](std::byte action) { return std::to_integer<std::size_t>(action) >= actions_.size(); })) {
    throw Error::failure("saved state of " + spec_.name + ": holds an action that the game does not have");
  }

  horizon_ = horizon;
  running_ = false;
  episode_actions_.clear();
  state_before_episode_.assign(reinterpret_cast<const char*>(state.data()), state.size());
  try {
    emulator_->restoreState(ale::ALEState(state_before_episode_));
  } catch (...) {  // ALE throws text, too
    throw Error::failure("saved state of " + spec_.name + ": ALE cannot read its part of it");
  }
  if (began) {
    begin_episode();
    for (const std::byte action : actions) advance(std::to_integer<std::size_t>(action));
  } else {
    state_before_episode_.clear();
  }
  if (fingerprint() != expected) {
    throw Error::failure("saved state of " + spec_.name +
                         ": its actions now lead elsewhere; it was saved with another " +
                         "version of ALE or another ROM, use those");
  }
}

}  // namespace

std::vector<std::string> playable_atari_games() {
  std::vector<std::string> names;
  for (const std::string& game : atari_games()) {
    try {
      if (rom_defect(find_rom(game)).empty()) names.push_back(game);
    } catch (const Error&) {  // no ROM, or one that cannot be read: not playable
    }
  }
  return names;
}

std::unique_ptr<Environment> make_atari(const std::string& name, std::uint64_t seed, std::int64_t horizon) {
  if (seed > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error::usage(name + ": the seed is " + std::to_string(seed) + "; ALE takes 0 to 2147483647");
  }
  const std::filesystem::path rom = find_rom(name);
  const std::string defect = rom_defect(rom);
  if (!defect.empty()) throw Error::failure("ROM " + rom.string() + ": " + defect + "; get it again");
  ale::Logger::setMode(ale::Logger::Error);
  return std::make_unique<AtariEnvironment>(name, rom, seed, horizon);
}

}  // namespace eaudeqn
