// Weights of 8 bits that act as the policy did on real observations. Where there are none, quantize.h rounds each
// weight for itself.
#pragma once

#include <functional>

#include "core/parallel.h"
#include "deploy/layer_samples.h"
#include "deploy/policy.h"

namespace eaudeqn {

constexpr std::size_t kFewestObservations = 256;

// Whether so many observations are enough, and there is something to fit: weights that are no whole numbers yet.
bool can_be_fitted(const Policy& policy, std::size_t observations);

// A policy as quantize(policy) gives it, with the same active weights, whose whole numbers, scales and biases were
// fitted to the observations:
//   1. channels are scaled against what reads them (equalize.h);
//   2. from the first layer on, the whole numbers of every row are chosen together so that the row's sums, on the
//      inputs that the rounded layers before it give, are those of the policy (fit_integers.h);
//   3. those of the last layer of 8 bits once more, one row after another, so that the outputs are; of discrete
//      actions, their differences alone, which is what the choice depends on; of continuous ones the means alone.
// With fewer than kFewestObservations, from which less is learned than spoiled, it is quantize(policy). Takes seconds
// to minutes: `progress` is called meanwhile, by the calling thread, with the share of the weights that is done. Equal
// for any number of threads. Throws what make_network throws.
using FitProgress = std::function<void(double share)>;
Policy quantize_observed(const Policy& policy, const ObservedPolicy& observed, ThreadPool& pool,
                         const FitProgress& progress = {});

}  // namespace eaudeqn
