// See mujoco_picture.h. OpenGL is loaded when the first picture is wanted: nothing links it, and training needs none.
#include "environments/mujoco_picture.h"

#include <dlfcn.h>

#include <algorithm>
#include <string>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr int kWidth = 640, kHeight = 480;  // MuJoCo's own offscreen size

// What is used of EGL 1.5, by its published numbers, so that its headers are not needed.
using Handle = void*;
constexpr int kSurfaceType = 0x3033, kPbufferBit = 0x0001, kRenderableType = 0x3040, kOpenglBit = 0x0008, kRed = 0x3024,
              kGreen = 0x3023, kBlue = 0x3022, kDepth = 0x3025, kNone = 0x3038, kWidthKey = 0x3057, kHeightKey = 0x3056;
constexpr unsigned kOpenglApi = 0x30A2, kSurfaceless = 0x31DD;

struct Egl {
  Handle library = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_GLOBAL);

  template <typename Function>
  Function* get(const char* name) const {
    return library == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(library, name));
  }
};

}  // namespace

struct MujocoPainter::State {
  Egl egl;
  Handle display = nullptr, surface = nullptr, context = nullptr;
  std::string name;
  mjvScene scene{};
  mjvCamera camera{};
  mjvOption option{};
  mjrContext renderer{};
  bool ready = false;

  ~State() {
    if (ready) {
      mjr_freeContext(&renderer);
      mjv_freeScene(&scene);
    }
    if (context != nullptr) egl.get<unsigned(Handle, Handle)>("eglDestroyContext")(display, context);
    if (surface != nullptr) egl.get<unsigned(Handle, Handle)>("eglDestroySurface")(display, surface);
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw Error::failure(name + ": no picture: " + why +
                         "; OpenGL that needs no screen is missing (Debian, Ubuntu: apt install libegl1 libgl1 "
                         "libgl1-mesa-dri), or leave out --video");
  }

  // A display that belongs to no screen where Mesa has one, else the default one.
  void open_display() {
    if (egl.library == nullptr) fail("libEGL.so.1 cannot be loaded");
    auto* platform = egl.get<Handle(unsigned, Handle, const std::intptr_t*)>("eglGetPlatformDisplay");
    auto* usual = egl.get<Handle(Handle)>("eglGetDisplay");
    auto* initialize = egl.get<unsigned(Handle, int*, int*)>("eglInitialize");
    if (usual == nullptr || initialize == nullptr) fail("libEGL.so.1 is not EGL");
    if (platform != nullptr) display = platform(kSurfaceless, nullptr, nullptr);
    if (display != nullptr && initialize(display, nullptr, nullptr) != 0) return;
    display = usual(nullptr);
    if (display == nullptr || initialize(display, nullptr, nullptr) == 0) fail("EGL has no display");
  }

  void open_context() {
    open_display();
    const int wanted[] = {kSurfaceType, kPbufferBit, kRenderableType, kOpenglBit, kRed, 8, kGreen, 8,
                          kBlue,        8,           kDepth,          24,         kNone};
    const int size[] = {kWidthKey, kWidth, kHeightKey, kHeight, kNone};
    Handle config = nullptr;
    int count = 0;
    egl.get<unsigned(Handle, const int*, Handle*, int, int*)>("eglChooseConfig")(display, wanted, &config, 1, &count);
    if (count < 1) fail("EGL cannot draw OpenGL without a screen");
    surface = egl.get<Handle(Handle, Handle, const int*)>("eglCreatePbufferSurface")(display, config, size);
    egl.get<unsigned(unsigned)>("eglBindAPI")(kOpenglApi);
    context =
        egl.get<Handle(Handle, Handle, Handle, const int*)>("eglCreateContext")(display, config, nullptr, nullptr);
    if (context == nullptr ||
        egl.get<unsigned(Handle, Handle, Handle, Handle)>("eglMakeCurrent")(display, surface, surface, context) == 0) {
      fail("EGL makes no OpenGL context");
    }
  }
};

MujocoPainter::MujocoPainter(const mjModel& model, const std::string& name) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.name = name;
  state.open_context();
  ::setenv("MUJOCO_GL", "egl", 0);  // where libmujoco looks for OpenGL's functions
  mjv_defaultScene(&state.scene);
  mjv_defaultCamera(&state.camera);
  mjv_defaultOption(&state.option);
  mjr_defaultContext(&state.renderer);
  mjv_makeScene(&model, &state.scene, 2000);
  state.scene.flags[mjRND_REFLECTION] = 0;  // half the time where the processor draws
  mjr_makeContext(&model, &state.renderer, mjFONTSCALE_100);
  state.ready = true;
  mjr_setBuffer(mjFB_OFFSCREEN, &state.renderer);
  if (state.renderer.currentBuffer != mjFB_OFFSCREEN) state.fail("OpenGL has no buffer besides the screen");
  // The models come with a camera that follows the body.
  if (model.ncam > 0) {
    state.camera.type = mjCAMERA_FIXED;
    state.camera.fixedcamid = 0;
  } else {
    mjv_defaultFreeCamera(&model, &state.camera);
  }
}

MujocoPainter::~MujocoPainter() = default;

Picture MujocoPainter::paint(const mjModel& model, mjData& data) {
  State& state = *state_;
  Picture picture{kWidth, kHeight, std::vector<std::uint8_t>(std::size_t{kWidth} * kHeight * 3)};
  const mjrRect view{0, 0, kWidth, kHeight};
  mjv_updateScene(&model, &data, &state.option, nullptr, &state.camera, mjCAT_ALL, &state.scene);
  mjr_render(view, &state.scene, &state.renderer);
  mjr_readPixels(picture.rgb.data(), nullptr, view, &state.renderer);
  // OpenGL's rows begin at the bottom.
  const std::size_t row = std::size_t{kWidth} * 3;
  for (std::size_t top = 0, bottom = kHeight - 1; top < bottom; ++top, --bottom) {
    std::swap_ranges(&picture.rgb[top * row], &picture.rgb[top * row] + row, &picture.rgb[bottom * row]);
  }
  return picture;
}

}  // namespace eaudeqn
