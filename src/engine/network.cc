// See network.h.
#include "engine/network.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kMaxColumnOutputs = std::size_t{1} << 16;  // ColumnIndex::outputs

std::uint64_t next_masks_version() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::size_t padded(std::size_t count) { return (count + 15) / 16 * 16; }

// Into how many segments the rows are cut. Sums wait in memory between segments that fit the first-level cache, which
// pays when a segment has enough multiply-adds to use what it brought there; rows too sparse for that stay within the
// second level. Sizes that did well on processors with 32 KB and 512 KB; the results do not depend on them.
std::size_t choose_segments(std::size_t channels, const TileFootprint& tile, std::size_t active, std::size_t rows) {
  constexpr std::size_t kFirstLevelBytes = 28 * 1024;
  constexpr std::size_t kSecondLevelBytes = 320 * 1024;
  constexpr std::size_t kEnoughProducts = 48;  // weights x pixels of a tile
  const std::size_t bytes = channels * tile.channel_bytes;
  const std::size_t fine = std::min(channels, (bytes + kFirstLevelBytes - 1) / kFirstLevelBytes);
  if (active * tile.pixels >= kEnoughProducts * fine * rows) return fine;
  return std::min(channels, (bytes + kSecondLevelBytes - 1) / kSecondLevelBytes);
}

// Which cell (segment, row) of an index an entry belongs to, and how many entries each cell has.
template <typename CellOf>
void count_cells(std::size_t entries, const CellOf& cell_of, LayerIndex& index) {
  index.starts.assign(index.rows * index.segments + 1, 0);
  for (std::size_t i = 0; i < entries; ++i) ++index.starts[cell_of(i) + 1];
  std::partial_sum(index.starts.begin(), index.starts.end(), index.starts.begin());
}

std::size_t count_ones(const Mask& mask) {
  return static_cast<std::size_t>(std::count(mask.begin(), mask.end(), std::uint8_t{1}));
}

// Calls work(entry) for the active entries in full order: those of rows that are read, or those of the others.
template <typename Work>
void for_each_active(const LayerSpec& spec, const Layer& layer, bool read, const Work& work) {
  const std::size_t row_size = spec.row_size();
  for (std::size_t o = 0; o < spec.out; ++o) {
    if ((layer.read_rows[o] != 0) != read) continue;
    for (std::size_t i = o * row_size; i < (o + 1) * row_size; ++i) {
      if (layer.mask[i] != 0) work(static_cast<std::uint32_t>(i));
    }
  }
}

std::size_t count_walked(const LayerSpec& spec, const Layer& layer) {
  std::size_t unread = 0;
  auto row = layer.mask.begin();
  for (std::size_t o = 0; o < spec.out; ++o, row += static_cast<std::ptrdiff_t>(spec.row_size())) {
    if (layer.read_rows[o] != 0) continue;
    unread +=
        static_cast<std::size_t>(std::count(row, row + static_cast<std::ptrdiff_t>(spec.row_size()), std::uint8_t{1}));
  }
  return layer.active - unread;
}

// Into how many windows of floats the inputs of a compact layer that reads bytes are cut; 0 if its rows have too few
// weights for the conversion to pay.
std::size_t choose_windows(const LayerSpec& spec, const LayerPlan& plan, std::size_t active, std::size_t rows) {
  constexpr std::size_t kEnoughWeights = 8;  // of a row in a window
  return active >= kEnoughWeights * plan.windows(spec) * rows ? plan.windows(spec) : 0;
}

// Chooses the order in which the active weights are stored.
void index_forward(const LayerSpec& spec, const LayerPlan& plan, Layer& layer) {
  LayerIndex& index = layer.forward;
  index.rows = spec.out;
  const std::size_t read = count_ones(layer.read_rows);
  const std::size_t windows = choose_windows(spec, plan, layer.walked, read);
  index.segments = plan.reads_bytes ? std::max<std::size_t>(windows, 1)
                                    : choose_segments(spec.in, plan.forward_tile, layer.walked, read);
  const std::size_t channels = (spec.in + index.segments - 1) / index.segments;
  const std::size_t columns = channels * spec.rows * spec.columns;
  std::vector<std::uint32_t> active;
  active.reserve(layer.walked);
  for_each_active(spec, layer, true, [&](std::uint32_t entry) { active.push_back(entry); });
  const auto cell_of = [&](std::size_t i) {
    return active[i] % spec.row_size() / columns * spec.out + active[i] / spec.row_size();
  };
  count_cells(active.size(), cell_of, index);
  std::vector<std::size_t> next(index.starts.begin(), index.starts.end() - 1);
  layer.positions.resize(active.size());
  index.offsets.resize(active.size());
  for (std::size_t i = 0; i < active.size(); ++i) {
    const std::size_t place = next[cell_of(i)]++;
    layer.positions[place] = active[i];
    index.offsets[place] = plan.offsets[active[i] % spec.row_size()];
  }
  if (windows == 0) return;
  for (const std::uint32_t entry : layer.positions) {
    index.window_offsets.push_back(plan.window_offsets[entry % spec.row_size()]);
  }
}

void index_backward(const LayerSpec& spec, const LayerPlan& plan, Layer& layer) {
  LayerIndex& index = layer.backward;
  const std::size_t area = spec.rows * spec.columns;
  std::vector<std::size_t> phase_of(area), offset_of(area);
  for (std::size_t p = 0; p < plan.phases.size(); ++p) {
    for (std::size_t t = 0; t < plan.phases[p].taps.size(); ++t) {
      phase_of[plan.phases[p].taps[t]] = p;
      offset_of[plan.phases[p].taps[t]] = t;
    }
  }
  index.rows = plan.phases.size() * spec.in;
  index.segments = choose_segments(spec.out, plan.backward_tile, layer.walked, index.rows);
  const std::size_t channels = (spec.out + index.segments - 1) / index.segments;
  const auto cell_of = [&](std::size_t i) {
    const std::size_t column = layer.positions[i] % spec.row_size();
    const std::size_t row = phase_of[column % area] * spec.in + column / area;
    return layer.positions[i] / spec.row_size() / channels * index.rows + row;
  };
  count_cells(layer.walked, cell_of, index);
  std::vector<std::size_t> next(index.starts.begin(), index.starts.end() - 1);
  index.offsets.resize(layer.walked);
  layer.backward_entries.resize(layer.walked);
  // The entries of a cell must be in the order of output channel, then tap. They are: stored weights ascend within a
  // segment, and all weights of one input channel are in the same segment.
  for (std::size_t i = 0; i < layer.walked; ++i) {
    const std::size_t tap = layer.positions[i] % area;
    const auto out = static_cast<std::int32_t>(layer.positions[i] / spec.row_size());
    const std::size_t place = next[cell_of(i)]++;
    index.offsets[place] = out * plan.gradient_channel_pitch + plan.phases[phase_of[tap]].tap_offsets[offset_of[tap]];
    layer.backward_entries[place] = static_cast<std::uint32_t>(i);
  }
  layer.backward_weights = AlignedBuffer(padded(layer.walked));
}

// Chooses the order in which the active weights of a layer stored by input stand: segment of outputs, input, output.
void index_columns(const LayerSpec& spec, Layer& layer) {
  ColumnIndex& index = layer.columns;
  index.columns = spec.in;
  index.segments = (spec.out + kColumnOutputs - 1) / kColumnOutputs;
  index.starts.assign(1, 0);
  for (std::size_t first = 0; first < spec.out; first += kColumnOutputs) {
    const std::size_t last = std::min(first + kColumnOutputs, spec.out);
    for (std::size_t i = 0; i < spec.in; ++i) {
      for (std::size_t o = first; o < last; ++o) {
        if (layer.mask[o * spec.in + i] == 0 || layer.read_rows[o] == 0) continue;
        layer.positions.push_back(static_cast<std::uint32_t>(o * spec.in + i));
        index.outputs.push_back(static_cast<std::uint16_t>(o));
      }
      index.starts.push_back(layer.positions.size());
    }
  }
}

// The rows of columns, where they pay: with fewer weights than a quarter the kernel alone is still faster, but in a
// whole update, whose arrays come from far away, the second index costs what it saves.
void index_column_rows(const LayerSpec& spec, Layer& layer) {
  constexpr std::size_t kEnoughWeights = kRowInputs / 4;  // of a row
  ColumnIndex& index = layer.columns;
  const std::size_t blocks = (spec.in + kRowInputs - 1) / kRowInputs;
  const std::size_t rows = blocks * spec.out;
  if (layer.walked < kEnoughWeights * rows || layer.walked > std::numeric_limits<std::uint32_t>::max()) return;
  const auto for_each = [&](const auto& work) {  // work(row, input and place in its block)
    for (std::size_t s = 0; s < index.segments; ++s) {
      const std::size_t first = s * kColumnOutputs;
      const std::size_t outputs = std::min(kColumnOutputs, spec.out - first);
      const std::size_t* starts = index.starts.data() + s * index.columns;
      for (std::size_t c = 0; c < index.columns; ++c) {
        const std::size_t block = c / kRowInputs;
        for (std::size_t i = starts[c]; i < starts[c + 1]; ++i) {
          work(first * blocks + block * outputs + index.outputs[i] - first, c % kRowInputs,
               i - starts[block * kRowInputs]);
        }
      }
    }
  };
  index.row_starts.assign(rows + 1, 0);
  for_each([&](std::size_t row, std::size_t, std::size_t) { ++index.row_starts[row + 1]; });
  std::partial_sum(index.row_starts.begin(), index.row_starts.end(), index.row_starts.begin());
  std::vector<std::uint32_t> next(index.row_starts.begin(), index.row_starts.end() - 1);
  index.row_entries.resize(layer.walked);
  for_each([&](std::size_t row, std::size_t input, std::size_t place) {
    index.row_entries[next[row]++] = static_cast<std::uint32_t>(place << 16 | input * 2 * kLanes);
  });
}

std::size_t stored_size(const LayerSpec& spec, const Layer& layer) {
  if (layer.compact) return padded(layer.active);
  return spec.convolution ? padded(spec.weights()) : panels_of(spec, layer).size();
}

// Calls work(place, entry) for all entries that are stored: stored order <-> full order.
template <typename Work>
void for_each_stored(const LayerSpec& spec, const Layer& layer, const Work& work) {
  if (layer.compact) {
    for (std::size_t i = 0; i < layer.active; ++i) work(i, layer.positions[i]);
  } else if (spec.convolution) {
    for (std::size_t i = 0; i < spec.weights(); ++i) work(i, i);
  } else {
    const PanelWeights panels = panels_of(spec, layer);
    for (std::size_t o = 0; o < spec.out; ++o) {
      for (std::size_t i = 0; i < spec.row_size(); ++i) work(panels.place(o, i), o * spec.row_size() + i);
    }
  }
}

std::vector<float> expand(const LayerSpec& spec, const Layer& layer, const AlignedBuffer& stored) {
  std::vector<float> all(layer.mask.size(), 0.0F);
  if (stored.size() == 0) return all;
  for_each_stored(spec, layer, [&](std::size_t place, std::size_t entry) { all[entry] = stored.data()[place]; });
  return all;
}

void store(const LayerSpec& spec, const Layer& layer, const std::vector<float>& all, AlignedBuffer& stored) {
  for_each_stored(spec, layer, [&](std::size_t place, std::size_t entry) {
    stored.data()[place] = layer.mask[entry] != 0 ? all[entry] : 0.0F;
  });
}

}  // namespace

Network::Network(std::shared_ptr<const NetworkPlan> plan, bool trainable)
    : plan_(std::move(plan)), trainable_(trainable), layers_(plan_->spec.layers.size()) {
  std::vector<LayerWeights> zeros;
  for (const LayerSpec& spec : plan_->spec.layers) {
    zeros.push_back(
        {std::vector<float>(spec.weights(), 0.0F), Mask(spec.weights(), 1), std::vector<float>(spec.out, 0.0F)});
  }
  set_layers(zeros);
}

void Network::initialize(RandomStream& stream) {
  std::vector<LayerWeights> initial;
  for (const LayerSpec& spec : plan_->spec.layers) {
    const auto area = static_cast<double>(spec.rows * spec.columns);
    const double limit = std::sqrt(6.0 / (area * static_cast<double>(spec.in + spec.out)));
    LayerWeights layer{std::vector<float>(spec.weights()), Mask(spec.weights(), 1), std::vector<float>(spec.out, 0.0F)};
    for (float& weight : layer.weights) weight = static_cast<float>(stream.uniform(-limit, limit));
    initial.push_back(std::move(layer));
  }
  set_layers(initial);
  reset_optimizer();
}

LayerWeights Network::layer_weights(std::size_t index) const {
  const Layer& layer = layers_[index];
  const auto bias = layer.bias.span().first(plan_->spec.layers[index].out);
  return {expand(plan_->spec.layers[index], layer, layer.weights), layer.mask, {bias.begin(), bias.end()}};
}

void Network::check_shape(std::size_t index, const LayerWeights& weights) const {
  const LayerSpec& spec = plan_->spec.layers[index];
  if (weights.weights.size() != spec.weights() || weights.mask.size() != spec.weights() ||
      weights.bias.size() != spec.out) {
    throw Error::failure("layer " + spec.name + ": the weights given do not have its shape");
  }
}

// Which rows passes walk if the layers have these masks.
std::vector<ReadLayer> Network::read_layers(const std::vector<const Mask*>& masks) const {
  if (compute_unread_) return read_units(plan_->spec, {}, masks).layers;
  return read_units(plan_->spec, plan_->unit_classes, masks).layers;
}

std::vector<const Mask*> Network::masks() const {
  std::vector<const Mask*> masks;
  for (const Layer& layer : layers_) masks.push_back(&layer.mask);
  return masks;
}

void Network::set_layer(std::size_t index, const LayerWeights& weights, LayerForm form) {
  check_shape(index, weights);
  std::vector<const Mask*> masks = this->masks();
  masks[index] = &weights.mask;
  const std::vector<ReadLayer> read = read_layers(masks);
  layers_[index].asked = form;
  lay_out(index, weights, read[index].rows);
  follow_reads(read);
}

void Network::set_layers(const std::vector<LayerWeights>& layers) {
  std::vector<const Mask*> masks;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_shape(i, layers[i]);
    masks.push_back(&layers[i].mask);
  }
  const std::vector<ReadLayer> read = read_layers(masks);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers_[i].asked = LayerForm::cheapest;
    lay_out(i, layers[i], read[i].rows);
  }
}

void Network::compute_unread(bool compute) {
  compute_unread_ = compute;
  follow_reads(read_layers(masks()));
}

// Stores anew where other rows are read than before.
void Network::follow_reads(const std::vector<ReadLayer>& read) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (read[i].rows != layers_[i].read_rows) lay_out(i, layer_weights(i), read[i].rows);
  }
}

void Network::lay_out(std::size_t index, const LayerWeights& weights, const Mask& read_rows) {
  const LayerSpec& spec = plan_->spec.layers[index];
  Layer& layer = layers_[index];
  const bool keep_moments = trainable_ && !layer.mask.empty();
  const Moments moments = keep_moments ? layer_moments(index) : Moments{};
  layer.mask = weights.mask;
  layer.read_rows = read_rows;
  layer.masks_version = next_masks_version();
  layer.active = count_ones(layer.mask);
  layer.walked = count_walked(spec, layer);
  const LayerUse use{plan_->spec.positions(index), plan_->dense_by_input, plan_->layers[index].reads_bytes};
  layer.compact = layer.asked == LayerForm::cheapest ? compact_is_cheaper(spec, use, layer.walked)
                                                     : layer.asked == LayerForm::compact;
  layer.positions.clear();
  layer.columns = {};
  layer.forward = {};
  layer.backward = {};
  layer.backward_entries.clear();
  layer.backward_weights = AlignedBuffer();
  const LayerPlan& plan = plan_->layers[index];
  if (layer.compact && !spec.convolution && plan_->dense_by_input && spec.out <= kMaxColumnOutputs) {
    index_columns(spec, layer);
    index_column_rows(spec, layer);
  } else if (layer.compact) {
    index_forward(spec, plan, layer);
    if (trainable_) index_backward(spec, plan, layer);
  } else if (trainable_ && spec.convolution) {
    layer.backward_weights = AlignedBuffer(padded(spec.weights()));
  }
  if (layer.compact && layer.walked < layer.active) {
    for_each_active(spec, layer, false, [&](std::uint32_t entry) { layer.positions.push_back(entry); });
  }
  const std::size_t stored = stored_size(spec, layer);
  layer.stored_mask.clear();
  if (!layer.compact && !spec.convolution && layer.active < layer.mask.size()) {
    layer.stored_mask.resize(stored, 0);
    for_each_stored(spec, layer,
                    [&](std::size_t place, std::size_t entry) { layer.stored_mask[place] = layer.mask[entry]; });
  }
  layer.weights = AlignedBuffer(stored);
  layer.bias = AlignedBuffer(padded(spec.out));
  store(spec, layer, weights.weights, layer.weights);
  std::copy(weights.bias.begin(), weights.bias.end(), layer.bias.data());
  if (trainable_) {
    for (AlignedBuffer* buffer : {&layer.gradient, &layer.first_moment, &layer.second_moment}) {
      *buffer = AlignedBuffer(stored);
    }
    for (AlignedBuffer* buffer : {&layer.bias_gradient, &layer.bias_first_moment, &layer.bias_second_moment}) {
      *buffer = AlignedBuffer(padded(spec.out));
    }
    if (keep_moments) set_layer_moments(index, moments);
  }
}

void Network::copy_from(const Network& other) {
  std::vector<LayerWeights> layers;
  for (std::size_t i = 0; i < layers_.size(); ++i) layers.push_back(other.layer_weights(i));
  set_layers(layers);
}

void Network::reset_optimizer() {
  optimizer_steps = 0;
  for (Layer& layer : layers_) {
    for (AlignedBuffer* buffer :
         {&layer.first_moment, &layer.second_moment, &layer.bias_first_moment, &layer.bias_second_moment}) {
      if (buffer->size() > 0) buffer->clear();
    }
  }
}

Network::Moments Network::layer_moments(std::size_t index) const {
  const Layer& layer = layers_[index];
  const LayerSpec& spec = plan_->spec.layers[index];
  const std::size_t out = spec.out;
  const auto first = layer.bias_first_moment.span().first(out);
  const auto second = layer.bias_second_moment.span().first(out);
  return {expand(spec, layer, layer.first_moment),
          expand(spec, layer, layer.second_moment),
          {first.begin(), first.end()},
          {second.begin(), second.end()}};
}

void Network::set_layer_moments(std::size_t index, const Moments& moments) {
  Layer& layer = layers_[index];
  const LayerSpec& spec = plan_->spec.layers[index];
  store(spec, layer, moments.first, layer.first_moment);
  store(spec, layer, moments.second, layer.second_moment);
  std::copy(moments.bias_first.begin(), moments.bias_first.end(), layer.bias_first_moment.data());
  std::copy(moments.bias_second.begin(), moments.bias_second.end(), layer.bias_second_moment.data());
}

std::size_t Network::place(std::size_t index, std::size_t entry) const {
  const LayerSpec& spec = plan_->spec.layers[index];
  const Layer& layer = layers_[index];
  if (layer.compact) {
    return static_cast<std::size_t>(std::find(layer.positions.begin(), layer.positions.end(), entry) -
                                    layer.positions.begin());
  }
  return spec.convolution ? entry : panels_of(spec, layer).place(entry / spec.row_size(), entry % spec.row_size());
}

double Network::sparsity() const {
  std::size_t active = 0;
  for (const Layer& layer : layers_) active += layer.active;
  return 1.0 - static_cast<double>(active) / static_cast<double>(plan_->spec.weights());
}

std::vector<double> Network::layer_sparsities() const {
  std::vector<double> result;
  for (const Layer& layer : layers_) {
    result.push_back(1.0 - static_cast<double>(layer.active) / static_cast<double>(layer.mask.size()));
  }
  return result;
}

}  // namespace eaudeqn
