// Max-pooling as a specification: every shape equals the plain version, and the gradient of a window goes to its first
// largest cell in row order.
#include "engine/kernels/max_pool.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"
#include "engine/aligned_buffer.h"
#include "engine/kernels/reference.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kChannelsHere = 2;
constexpr float kBorder = 7;

struct Tensor {
  TensorLayout layout;
  AlignedBuffer values{layout.size()};

  explicit Tensor(TensorLayout l) : layout(l) { std::fill_n(values.data(), layout.size(), kBorder); }
  float& at(std::size_t c, std::size_t y, std::size_t x, std::size_t lane) {
    return values.data()[layout.offset(c, y, x) + lane];
  }
  std::vector<float> sample(std::size_t lane) {
    std::vector<float> cells;
    for (std::size_t c = 0; c < layout.channels; ++c) {
      for (std::size_t y = 0; y < layout.height; ++y) {
        for (std::size_t x = 0; x < layout.width; ++x) cells.push_back(at(c, y, x, lane));
      }
    }
    return cells;
  }
  // Whole numbers, few of them: windows with several largest cells are common.
  void fill(RandomStream& stream, std::uint64_t numbers) {
    for (std::size_t c = 0; c < layout.channels; ++c) {
      for (std::size_t y = 0; y < layout.height; ++y) {
        for (std::size_t x = 0; x < layout.width; ++x) {
          for (std::size_t lane = 0; lane < kLanes; ++lane)
            at(c, y, x, lane) = static_cast<float>(stream.below(numbers)) - 2;
        }
      }
    }
  }
  std::size_t cells_of_border() {
    const float* begin = values.data();
    return static_cast<std::size_t>(std::count(begin, begin + layout.size(), kBorder));
  }
};

std::vector<float> plain_gradient(const TensorShape& in, const TensorShape& out, const std::vector<float>& input,
                                  const std::vector<float>& output, const std::vector<float>& output_gradient) {
  std::vector<float> gradient(input.size());
  for (std::size_t c = 0; c < out.channels; ++c) {
    for (std::size_t y = 0; y < out.height; ++y) {
      for (std::size_t x = 0; x < out.width; ++x) {
        const std::size_t at = (c * out.height + y) * out.width + x;
        for (std::size_t k = 0; k < 9; ++k) {
          const std::ptrdiff_t row = reference::input_cell(y, k / 3, in.height, 3, 2);
          const std::ptrdiff_t column = reference::input_cell(x, k % 3, in.width, 3, 2);
          if (row < 0 || column < 0) continue;
          const std::size_t cell =
              (c * in.height + static_cast<std::size_t>(row)) * in.width + static_cast<std::size_t>(column);
          if (input[cell] != output[at]) continue;
          gradient[cell] += output_gradient[at];
          break;
        }
      }
    }
  }
  return gradient;
}

class MaxPool : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

TEST_P(MaxPool, EqualsThePlainVersionBothWays) {
  const auto [height, width] = GetParam();
  const TensorShape in{kChannelsHere, height, width};
  const TensorShape out{kChannelsHere, (height + 1) / 2, (width + 1) / 2};
  RandomStream stream(1, "max_pool_test", 100 * height + width);
  Tensor input({in.channels, in.height, in.width, {1, 0, 2, 1}});
  Tensor output({out.channels, out.height, out.width, {0, 1, 1, 0}});
  Tensor output_gradient({out.channels, out.height, out.width, {0, 2, 0, 1}});
  Tensor input_gradient({in.channels, in.height, in.width, {2, 1, 0, 1}});
  input.fill(stream, 5);
  output_gradient.fill(stream, 1000);
  std::vector<std::uint8_t> choices(pool_choices_size(output.layout));
  for (std::size_t y = 0; y < out.height; ++y) {
    max_pool_row(input.layout, input.values.data(), output.layout, output.values.data(), choices.data(), y);
  }
  const std::vector<float> with_choices = output.sample(3);
  for (std::size_t y = 0; y < out.height; ++y) {
    max_pool_row(input.layout, input.values.data(), output.layout, output.values.data(), nullptr, y);
  }
  EXPECT_EQ(output.sample(3), with_choices);
  max_pool_backward(output_gradient.layout, output_gradient.values.data(), choices.data(), input_gradient.layout,
                    input_gradient.values.data());
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::vector<float> expected = reference::max_pool(in, out, input.sample(lane));
    ASSERT_EQ(output.sample(lane), expected);
    ASSERT_EQ(input_gradient.sample(lane),
              plain_gradient(in, out, input.sample(lane), expected, output_gradient.sample(lane)));
  }
  EXPECT_EQ(output.cells_of_border(), output.layout.size() - out.elements() * kLanes);  // values are below it
}

INSTANTIATE_TEST_SUITE_P(Shapes, MaxPool,
                         testing::Values(std::pair{1, 1}, std::pair{1, 6}, std::pair{2, 1}, std::pair{2, 3},
                                         std::pair{3, 2}, std::pair{4, 7}, std::pair{7, 4}, std::pair{21, 42},
                                         std::pair{42, 21}),
                         [](const auto& shape) {
                           return std::to_string(shape.param.first) + "x" + std::to_string(shape.param.second);
                         });

}  // namespace
}  // namespace eaudeqn
