// The functions of a generated C header (c_header.cc), which are the same for every policy. C99 that is C++ too.
//
// Replaced in the text: @ by the policy's prefix, @@ by the same in capitals; $NAME, $INPUT, $WEIGHT, $SCALES, $SCALE
// and $INPUT_SCALE by what depends on whether inputs are bytes and weights are integers; $HEADER, $MAIN, $ACT and
// $LIBRARIES in the program.
#pragma once

namespace eaudeqn::c_functions {

// Once for bytes and once for floats.
constexpr const char* kConvolution = R"(
/* For every weight of an output channel: adds weight * input to the plane of outputs, where that input exists. */
static inline void $NAME(const $INPUT *input, const @shape *s, const $WEIGHT *weights, const uint8_t *gaps,
                            const @count *counts, $SCALESconst float *biases, const float *residual,
                            float *output) {
  const int32_t area = s->kernel * s->kernel, pixels = s->out_height * s->out_width;
  int32_t o, n, i, x, y;
  for (o = 0; o < s->out_channels; ++o, output += pixels) {
    const int32_t count = counts ? (int32_t)counts[o] : s->channels * area;
    int32_t place = 0;
    for (i = 0; i < pixels; ++i) output[i] = biases[o];
    for (n = 0; n < count; ++n, ++place) {
      const float weight = (float)*weights++$SCALE$INPUT_SCALE;
      int32_t row, column, rows, columns, y_begin, x_begin, y_end, x_end;
      if (gaps) place += *gaps++;
      if (weight == 0.0f) continue;
      row = place % area / s->kernel - s->top;
      column = place % s->kernel - s->left;
      rows = s->height - row;
      columns = s->width - column;
      y_begin = row < 0 ? (s->stride - 1 - row) / s->stride : 0;
      x_begin = column < 0 ? (s->stride - 1 - column) / s->stride : 0;
      y_end = rows > 0 ? (rows - 1) / s->stride + 1 : 0;
      x_end = columns > 0 ? (columns - 1) / s->stride + 1 : 0;
      if (y_end > s->out_height) y_end = s->out_height;
      if (x_end > s->out_width) x_end = s->out_width;
      for (y = y_begin; y < y_end; ++y) {
        const $INPUT *from = input + place / area * s->channel_step + (y * s->stride + row) * s->row_step +
                         (x_begin * s->stride + column) * s->column_step;
        float *to = output + y * s->out_width;
        for (x = x_begin; x < x_end; ++x, from += s->stride * s->column_step) to[x] += weight * (float)*from;
      }
    }
    if (residual) {
      for (i = 0; i < pixels; ++i) output[i] += residual[o * pixels + i];
    }
    if (s->relu) {
      for (i = 0; i < pixels; ++i) output[i] = output[i] < 0.0f ? 0.0f : output[i];
    }
  }
}
)";

constexpr const char* kDense = R"(
/* Weights lie by inputs, so that an input of 0, which ReLU makes of many, costs nothing. */
static inline void $NAME(const $INPUT *input, int32_t inputs, int32_t outputs, const $WEIGHT *weights,
                            const uint8_t *gaps, const @count *counts, $SCALESconst float *biases, int relu,
                            float *output) {
  int32_t i, n, o;
  for (o = 0; o < outputs; ++o) output[o] = 0.0f;
  for (i = 0; i < inputs; ++i) {
    const float x = (float)input[i];
    const int32_t count = counts ? (int32_t)counts[i] : outputs;
    if (x != 0.0f && gaps) {
      float *to = output;
      for (n = 0; n < count; ++n) {
        to += gaps[n];
        *to++ += x * (float)weights[n];
      }
    } else if (x != 0.0f) {
      for (n = 0; n < count; ++n) output[n] += x * (float)weights[n];
    }
    weights += count;
    if (gaps) gaps += count;
  }
  for (o = 0; o < outputs; ++o) {
    const float sum = output[o]$SCALE$INPUT_SCALE + biases[o];
    output[o] = relu && sum < 0.0f ? 0.0f : sum;
  }
}
)";

constexpr const char* kRelu = R"(
static inline void @relu(const float *input, int32_t count, float *output) {
  int32_t i;
  for (i = 0; i < count; ++i) output[i] = input[i] < 0.0f ? 0.0f : input[i];
}
)";

constexpr const char* kMaxPool = R"(
/* 3x3, stride 2, over what exists of each window. */
static inline void @max_pool(const float *input, int32_t channels, int32_t height, int32_t width, int32_t top,
                              int32_t left, float *output) {
  const int32_t out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  int32_t c, y, x, row, column;
  for (c = 0; c < channels; ++c, input += height * width) {
    for (y = 0; y < out_height; ++y) {
      const int32_t y_begin = y * 2 > top ? y * 2 - top : 0;
      const int32_t y_end = y * 2 - top + 3 < height ? y * 2 - top + 3 : height;
      for (x = 0; x < out_width; ++x) {
        const int32_t x_begin = x * 2 > left ? x * 2 - left : 0;
        const int32_t x_end = x * 2 - left + 3 < width ? x * 2 - left + 3 : width;
        float largest = input[y_begin * width + x_begin];
        for (row = y_begin; row < y_end; ++row) {
          for (column = x_begin; column < x_end; ++column) {
            if (input[row * width + column] > largest) largest = input[row * width + column];
          }
        }
        *output++ = largest;
      }
    }
  }
}
)";

constexpr const char* kActDiscrete = R"(
/* The action of the largest output, the lower index of equals; NaN never, and 0 where all are NaN. */
static inline int @act(@workspace *workspace, const @input *observation) {
  const float *outputs = @forward(workspace, observation);
  int a, best = -1;
  for (a = 0; a < @@OUTPUTS; ++a) {
    if (outputs[a] == outputs[a] && (best < 0 || outputs[a] > outputs[best])) best = a;
  }
  return best < 0 ? 0 : best;
}
)";

constexpr const char* kActContinuous = R"(
/* The mean action, within the environment's bounds. */
static inline void @act(@workspace *workspace, const @input *observation, float action[@@ACTIONS]) {
  const float *outputs = @forward(workspace, observation);
  int a;
  for (a = 0; a < @@ACTIONS; ++a) {
    action[a] = @low[a] + (tanhf(outputs[a]) + 1.0f) / 2.0f * (@high[a] - @low[a]);
  }
}
)";

constexpr const char* kSelfTest = R"(
/* Runs the example. 0: every output is the expected one within 1e-5 of the largest; 1: something is broken. */
static inline int @self_test(@workspace *workspace) {
  const float *outputs = @forward(workspace, @example_observation);
  float bound = 0.0f;
  int a;
  for (a = 0; a < @@OUTPUTS; ++a) {
    const float size = @example_outputs[a] < 0.0f ? -@example_outputs[a] : @example_outputs[a];
    if (size > bound) bound = size;
  }
  bound *= 1e-5f;
  for (a = 0; a < @@OUTPUTS; ++a) {
    const float difference = outputs[a] - @example_outputs[a];
    if (!(difference <= bound && difference >= -bound)) return 1;
  }
  return 0;
}
)";

constexpr const char* kMain = R"(/* An example program around $HEADER. Build and run it:
 *   cc -std=c99 -O3 $MAIN -o policy$LIBRARIES && ./policy
 * With a file of raw observations (numpy: observations.tofile(FILE)) it prints for each the action and the outputs. */
#include <stdio.h>

#include "$HEADER"

int main(int argc, char **argv) {
  static @workspace workspace;
  static @input observation[@@INPUTS];
  FILE *file;
  int a;
  if (@self_test(&workspace) != 0) {
    printf("self-test FAILED\n");
    return 1;
  }
  printf("self-test passed: %s, %d inputs, %d outputs, %d bytes of RAM, %d bytes of tables\n", @@ENVIRONMENT, @@INPUTS,
         @@OUTPUTS, (int)@@RAM_BYTES, (int)@@FLASH_BYTES);
  if (argc < 2) return 0;
  file = fopen(argv[1], "rb");
  if (file == NULL) {
    printf("cannot open %s\n", argv[1]);
    return 1;
  }
  while (fread(observation, sizeof observation, 1, file) == 1) {
$ACT
    for (a = 0; a < @@OUTPUTS; ++a) printf(" %.9g", (double)workspace.outputs[a]);
    printf("\n");
  }
  fclose(file);
  return 0;
}
)";

}  // namespace eaudeqn::c_functions
