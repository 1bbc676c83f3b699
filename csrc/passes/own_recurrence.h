// Recurrent layers that kernels of ours compute, where they are faster than PyTorch's.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "graph/graph.h"

namespace braze {

/// A call of aten::mkldnn_rnn_layer, one direction of one layer of an LSTM: inputs [steps, rows, width], weights
/// [gates * units, width] and [gates * units, units], biases [gates * units], states [rows, units].
struct RecurrentCall {
  Access input, input_weight, weight;
  std::optional<Access> input_bias, bias;
  Access hidden, cell;
  bool backward = false;                          // from the last step to the first
  std::array<ValueId, 3> results = {-1, -1, -1};  // of all steps, the last hidden state, the last cell; -1: not wanted

  int64_t steps() const { return input.geometry.sizes[0]; }
  int64_t rows() const { return input.geometry.sizes[1]; }
  int64_t width() const { return input.geometry.sizes[2]; }
  int64_t units() const { return weight.geometry.sizes[1]; }
  /// The weights are laid out anew for every call, which pays where they are read often.
  bool packs() const;
};

/// Nothing when the node is another call, or a layer that no kernel computes.
std::optional<RecurrentCall> read_recurrence(const Graph& graph, const Node& node);

/// Answers whether a kernel of ours is faster than PyTorch's.
using PrefersOwnRecurrence = std::function<bool(const RecurrentCall&)>;

/// Makes the calls that `prefers` chooses primitives and one product for the inputs of all steps. True when the graph
/// changed.
bool own_recurrence(Graph& graph, const PrefersOwnRecurrence& prefers);

}  // namespace braze
