// One network's weights: every layer either dense or compact (only the active weights, with their index), with Adam's
// moments beside them in the same order. No activations (workspace.h), no passes (passes.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "engine/aligned_buffer.h"
#include "engine/form_cost.h"
#include "engine/kernels/column_rows.h"
#include "engine/kernels/panels.h"
#include "engine/large_memory.h"
#include "engine/layer_plan.h"
#include "engine/read_units.h"

namespace eaudeqn {

// Weights of one layer as others see them: all entries in (out, in, rows, columns) order, zeros where inactive.
struct LayerWeights {
  std::vector<float> weights;
  std::vector<std::uint8_t> mask;  // 1 = active
  std::vector<float> bias;
};

// Walks the compact form by rows, in segments of channels whose inputs fit a cache. Stored segment by segment: row r of
// segment s has the entries starts[s * rows + r] .. starts[s * rows + r + 1], so that the rows of one segment are read
// as one stream.
struct LayerIndex {
  std::size_t segments = 1, rows = 0;
  std::vector<std::size_t> starts;
  std::vector<std::int32_t> offsets;  // pixels
  // Of a layer that reads bytes, where it pays to make floats of them for a segment (kernels/byte_window.h): the same
  // in the window.
  std::vector<std::int32_t> window_offsets;
};

// Compact dense layers whose plan stores them by input, in segments of outputs (kernels/columns.h): column c of segment
// s has the entries starts[s * columns + c] .. starts[s * columns + c + 1].
constexpr std::size_t kColumnOutputs =
    512;  // of a segment: their sums for a batch of 32 fill a small first-level cache
struct ColumnIndex {
  std::size_t segments = 0, columns = 0;
  std::vector<std::size_t> starts;
  std::vector<std::uint16_t, LargeAllocator<std::uint16_t>> outputs;
  // The same by output, where that pays (kernels/column_rows.h): segment by segment, block of inputs by block.
  std::vector<std::uint32_t> row_starts;
  std::vector<std::uint32_t, LargeAllocator<std::uint32_t>> row_entries;
};

// Compact layers have `columns` or both of `forward` and (if trainable) `backward`. In dense form all entries are
// stored: those of convolutions in full order, those of dense layers in panels (kernels/panels.h).
//
// Units that the network's outputs do not depend on cost nothing in compact form: the weights of their rows stand
// behind all others, and no pass walks them. Such a unit has its bias as output, which nothing reads, and its weights
// get the gradient that they have, 0; everything else is computed as if they were walked.
struct Layer {
  bool compact = false;
  LayerForm asked = LayerForm::cheapest;
  Mask mask;       // all entries
  Mask read_rows;  // outputs that are read (read_units.h)
  std::size_t active = 0;
  std::size_t walked = 0;                 // active weights in rows that are read
  std::uint64_t masks_version = 0;        // another number after each set_layer of any network in the program, never 0
  std::vector<std::uint32_t> positions;   // compact: place of each stored weight among all entries, in the
                                          // order of `columns` or `forward`, then those not walked
  std::vector<std::uint8_t> stored_mask;  // of panels, in their order, where some entry is inactive
  AlignedBuffer weights, gradient, first_moment, second_moment;  // stored weights, padded to a multiple of 16
  AlignedBuffer bias, bias_gradient, bias_first_moment, bias_second_moment;

  ColumnIndex columns;  // compact, stored by input
  bool by_input() const { return columns.segments > 0; }
  LayerIndex forward;                           // compact: a row per output channel, segments of input channels
  LayerIndex backward;                          // compact: row phase * in + input channel, segments of output channels
  std::vector<std::uint32_t> backward_entries;  // compact: which stored weight stands at each backward place
  AlignedBuffer backward_weights;               // compact, or a dense convolution: weights in backward order
};

// The panels of a dense layer in dense form.
inline PanelWeights panels_of(const LayerSpec& spec, const Layer& layer) {
  return {layer.weights.data(), spec.row_size(), spec.out};
}

// Thread safety: const methods may run beside each other.
class Network {
 public:
  // All weights zero and active. `trainable` networks own gradients, moments and backward indices; the target has none.
  Network(std::shared_ptr<const NetworkPlan> plan, bool trainable);

  // Xavier-uniform weights, U(+-sqrt(6 / (fan_in + fan_out))), fans as Flax counts them (kernel area included); biases
  // 0.
  void initialize(RandomStream& stream);

  LayerWeights layer_weights(std::size_t layer) const;
  // Replaces a layer, choosing its form by form_cost.h unless told. Inactive weights must be 0. Moments are kept for
  // weights that stay active and 0 elsewhere; see reset_optimizer. Where other layers have units that are no longer
  // read, or read again, their weights are stored anew.
  void set_layer(std::size_t layer, const LayerWeights& weights, LayerForm form = LayerForm::cheapest);
  void set_layers(const std::vector<LayerWeights>& layers);  // all of them; faster than one by one
  void copy_from(const Network& other);                      // all layers; moments as in set_layer

  void reset_optimizer();  // moments 0, step count 0
  std::int64_t optimizer_steps = 0;

  // Whether passes compute units that nothing reads too, as all_weight_gradients needs it (not at first). Slow.
  void compute_unread(bool compute);
  bool computes_unread() const { return compute_unread_; }

  // Where entry `entry` of a layer is stored; it must be active if the layer is compact. Slow for compact layers.
  std::size_t place(std::size_t layer, std::size_t entry) const;

  // Moments in full order, for checkpoints: first, second, first of bias, second of bias.
  struct Moments {
    std::vector<float> first, second, bias_first, bias_second;
  };
  Moments layer_moments(std::size_t layer) const;
  void set_layer_moments(std::size_t layer, const Moments& moments);

  std::vector<const Mask*> masks() const;  // of all layers, as read_units takes them
  double sparsity() const;                 // share of inactive weights (biases do not count)
  std::vector<double> layer_sparsities() const;

  const NetworkPlan& plan() const { return *plan_; }
  const NetworkSpec& spec() const { return plan_->spec; }
  std::vector<Layer>& layers() { return layers_; }
  const std::vector<Layer>& layers() const { return layers_; }
  bool trainable() const { return trainable_; }

 private:
  std::vector<ReadLayer> read_layers(const std::vector<const Mask*>& masks) const;
  void follow_reads(const std::vector<ReadLayer>& read);
  void check_shape(std::size_t layer, const LayerWeights& weights) const;
  void lay_out(std::size_t layer, const LayerWeights& weights, const Mask& read_rows);

  std::shared_ptr<const NetworkPlan> plan_;
  bool trainable_;
  bool compute_unread_ = false;
  std::vector<Layer> layers_;
};

}  // namespace eaudeqn
