// What bench/roofline.py asks for: the machine's measured peaks, and the time of each pass over one layer at several
// densities. One thread, one network, batch 32, through the engine's passes. Prints one JSON object per line; what the
// numbers mean for the hardware is the script's business.
//
//   roofline_cases --peaks | --kernels [DENSITY...]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "core/machine.h"
#include "engine/kernels/instruction_set.h"
#include "fma_peak.h"
#include "layer_bench.h"
#include "memory_streams.h"

namespace eaudeqn {
namespace {

struct Subject {
  const char* name;
  LayerCase layer;
  bool bytes;  // reads the network's input: images of bytes, and no input gradient
};

// The layers with weights of the nature network at F = 512, but for the last one, which is small.
const std::vector<Subject> kSubjects = {
    {"convolution 1", {4, 84, 84, 32, 8, 4, 32, 1.0}, true},
    {"convolution 2", {32, 21, 21, 64, 4, 2, 32, 1.0}, false},
    {"convolution 3", {64, 11, 11, 64, 3, 1, 32, 1.0}, false},
    {"dense layer", {7744, 1, 1, 512, 1, 1, 32, 1.0}, false},
};
constexpr double kSecondsPerTime = 0.06;

void print_line(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// Of all threads at once, each for itself.
double fma_peak(int threads) {
  std::vector<double> peaks(static_cast<std::size_t>(threads));
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < peaks.size(); ++i) others.emplace_back([&peaks, i] { peaks[i] = measure_fma_peak(); });
  peaks[0] = measure_fma_peak();
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double peak : peaks) sum += peak;
  return sum;
}

void print_peaks(int threads, const std::vector<std::size_t>& kilobytes) {
  print_line(fmt::format(R"({{"peak": "fma", "threads": {}, "gflops": {:.2f}}})", threads, fma_peak(threads)));
  for (const std::size_t size : kilobytes) {
    for (const Stream stream : {Stream::read, Stream::update}) {
      print_line(fmt::format(R"({{"peak": "{}", "threads": {}, "kilobytes": {}, "gigabytes_per_second": {:.2f}}})",
                             stream == Stream::read ? "read" : "update", threads, size,
                             measure_stream(stream, size * 1024, threads)));
    }
  }
}

// One thread: every size that a kernel may work on. All threads: one for each level of the memory system.
void print_peaks() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 16; size <= 262144; size *= 2) sizes.push_back(size);
  print_peaks(1, sizes);
  if (available_processors() > 1) print_peaks(available_processors(), {16, 512, 8192, 262144});
}

// The smallest of several times, in microseconds: others who use the machine only ever add.
template <typename Work>
double smallest(const Work& work) {
  double best = 1e9;
  double spent = 0;
  for (int i = 0; i < 3 || (spent < kSecondsPerTime && i < 1000); ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best * 1e6;
}

// "backward" computes both gradients, "weight gradient" is the backward pass of a layer that needs no other. Their
// difference is the input gradient: the engine has no call for it alone.
void print_kernels(const Subject& subject, double density) {
  LayerCase layer = subject.layer;
  layer.density = density;
  const NetworkSpec spec = one_layer(layer, false, subject.bytes);
  LayerBench first(layer, false, subject.bytes);
  const auto print = [&](const char* pass, double microseconds) {
    print_line(fmt::format(
        R"({{"layer": "{}", "pass": "{}", "density": {}, "active": {}, "weights": {}, "compact": {}, "bytes": {}, )"
        R"("batch": {}, "inputs": {}, "outputs": {}, "positions": {}, "microseconds": {:.2f}}})",
        subject.name, pass, density, first.active(), spec.weights(), first.compact(), subject.bytes, layer.batch,
        spec.tensors.front().elements(), spec.tensors.back().elements(), spec.positions(0), microseconds));
  };
  print("forward", smallest([&] { first.forward(); }));
  print("weight gradient", smallest([&] { first.backward(); }));
  print("adam", smallest([&] { first.adam(); }));
  if (subject.bytes) return;
  LayerBench behind_relu(layer, true);
  print("backward", smallest([&] { behind_relu.backward(); }));
}

int run(const std::vector<std::string>& words) {
  if (words.empty() || (words[0] != "--peaks" && words[0] != "--kernels")) {
    fmt::print(stderr, "usage: roofline_cases --peaks | --kernels [DENSITY...]; bench/roofline.py runs it\n");
    return 2;
  }
  print_line(
      fmt::format(R"({{"cpu": "{}", "isa": "{}", "build": "{}"}})", cpu_name(), instruction_set(), build_name()));
  if (words[0] == "--peaks") {
    print_peaks();
    return 0;
  }
  std::vector<double> densities;
  for (std::size_t i = 1; i < words.size(); ++i) densities.push_back(std::stod(words[i]));
  if (densities.empty()) densities = {1, 0.5, 0.1, 0.05, 0.01};
  for (const Subject& subject : kSubjects) {
    for (const double density : densities) print_kernels(subject, density);
  }
  return 0;
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** words) {
  try {
    return eaudeqn::run({words + 1, words + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "roofline_cases: {}\n", error.what());
    return 1;
  }
}
