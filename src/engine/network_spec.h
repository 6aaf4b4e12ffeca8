// What a network computes: tensors, the operations between them in order, and the layers that own weights. A
// description only: weights are in network.h, activations in workspace.h.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace eaudeqn {

// The choices that define a network; it is what a policy file stores.
struct Architecture {
  std::string kind = "nature";      // nature | impala | mlp
  std::size_t features = 512;       // F (nature, impala)
  std::size_t width = 1;            // channel factor (impala)
  std::vector<std::size_t> hidden;  // hidden sizes (mlp)
  std::vector<std::size_t> input;   // {C, H, W}, or {n}
  std::size_t outputs = 0;          // number of actions
  bool byte_input = false;          // uint8 observations, divided by 255
  // Where units were removed (smaller_network.h): how many are left of each class of unit_classes.h, in that order,
  // whatever features, width and hidden say. Empty: all.
  std::vector<std::size_t> units;

  bool operator==(const Architecture&) const = default;
};

std::string to_json(const Architecture& architecture);
Architecture architecture_from_json(const std::string& text);  // throws Error::failure

struct LayerSpec {
  std::string name;  // conv1, conv2, ..., dense1, ... in network order
  std::size_t out = 0, in = 0, rows = 1, columns = 1;
  bool convolution = false;

  std::size_t row_size() const { return in * rows * columns; }
  std::size_t weights() const { return out * row_size(); }
  std::vector<std::size_t> shape() const;  // {out, in, rows, columns} or {out, in}
};

struct TensorShape {
  std::size_t channels = 0, height = 1, width = 1;

  std::size_t elements() const { return channels * height * width; }
};

// Padding is SAME as Flax and TensorFlow define it: outputs = ceil(inputs / stride); the odd row goes to the far side.
struct SamePadding {
  std::size_t outputs = 0, before = 0, after = 0;
};
SamePadding same_padding(std::size_t inputs, std::size_t kernel, std::size_t stride);

enum class OperationKind { convolution, dense, relu, max_pool };
inline constexpr std::size_t kPoolRows = 3;  // and columns, of max_pool's windows

struct Operation {
  OperationKind kind = OperationKind::dense;
  std::size_t input = 0, output = 0;  // tensors
  std::size_t layer = 0;              // convolution, dense
  std::size_t stride = 1;             // convolution; max_pool is 3x3, stride 2
  bool relu = false;                  // the output tensor holds max(0, .)
  int residual = -1;                  // tensor added to the output, or -1; same shape
};

struct NetworkSpec {
  Architecture architecture;
  std::vector<TensorShape> tensors;  // tensor 0 is the input; the last one the output
  std::vector<Operation> operations;
  std::vector<LayerSpec> layers;

  std::size_t weights() const;
  const Operation& operation_of(std::size_t layer) const;  // the one that uses the layer's weights
  // Multiply-adds of one forward pass of one sample for each weight of a layer: the output positions it is used at.
  std::size_t positions(std::size_t layer) const;
};

// Throws Error::usage for an unknown kind or sizes that make no network.
NetworkSpec make_network_spec(const Architecture& architecture);

}  // namespace eaudeqn
