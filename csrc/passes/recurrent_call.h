// Calls of recurrent layers, read.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace braze {

/// One direction of one layer: inputs [steps, rows, width], weights [gates * units, width] and [gates * units, units],
/// biases [gates * units], first states [rows, units].
struct RecurrentLayer {
  Access input, input_weight, weight;  // inputs that another layer makes are no value yet: -1
  std::optional<Access> input_bias, bias;
  Access hidden;
  std::optional<Access> cell;  // of an LSTM; a GRU has none
  bool backward = false;       // from the last step to the first

  int64_t steps() const { return input.geometry.sizes[0]; }
  int64_t rows() const { return input.geometry.sizes[1]; }
  int64_t width() const { return input.geometry.sizes[2]; }
  int64_t units() const { return weight.geometry.sizes[1]; }
  int64_t gates() const { return cell ? 4 : 3; }
  /// The weights are laid out anew for every call, which pays where they are read often.
  bool packs() const;
};

/// Layers of which each reads what the one below makes: `directions` of one, then of the next.
struct RecurrentCall {
  std::vector<RecurrentLayer> layers;
  size_t directions = 1;
  // Of the last layer after each step, dense as [steps, rows, directions * units]; of each layer after its last step,
  // as [layers, rows, units]. -1: not wanted.
  ValueId output = -1, hidden = -1, cell = -1;
};

/// What aten::mkldnn_rnn_layer or aten::gru computes, where kernels could; nothing when the node is another call.
std::optional<RecurrentCall> read_recurrence(const Graph& graph, const Node& node);

}  // namespace braze
