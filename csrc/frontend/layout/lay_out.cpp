#include "frontend/layout/lay_out.h"

#include <ATen/ops/ones.h>

#include <algorithm>
#include <utility>

#include "compiler.h"
#include "frontend/capture/convert.h"
#include "frontend/library/convolution_trial.h"
#include "graph/geometry.h"
#include "passes/convolution_forms.h"
#include "passes/own_convolution.h"
#include "passes/pass.h"

namespace braze {
namespace {

/// Any weight will do for a trial: one number, seen everywhere.
at::Tensor some_weight(const Graph& graph, const Access& access) {
  return at::ones({1}, at::TensorOptions().dtype(scalar_type_of(graph.value(access.value).dtype)))
      .expand(access.geometry.sizes);
}

/// A large weight costs more to copy than the images gain.
bool is_worth_a_trial(const Graph& graph, const ConvolutionCall& conv) {
  if (!is_for_onednn(graph, conv) || lies_channels_last(conv.input.geometry)) return false;
  return conv.weight.geometry.numel() < conv.input.geometry.numel() + graph.value(conv.result).shape.numel();
}

int move_convolutions(Graph& graph, const Options& options) {
  int moved = 0;
  for (Node& node : graph.nodes) {
    auto conv = read_convolution(node);
    if (!conv || !is_worth_a_trial(graph, *conv)) continue;
    const FusedConvolution fused{.conv = *conv, .residual = {}, .activation = "none", .scalars = {}};
    const Geometry& result = graph.value(conv->result).shape;
    const ConvolutionTrial trial(fused, result, some_weight(graph, conv->weight), false, options);
    if (!trial.beats_layout_of(conv->input.geometry, result)) continue;
    node = write_fused_convolution(fused, conv->result);
    ++moved;
  }
  return moved;
}

void choose_forms(Graph& graph, const Options& options) {
  std::vector<Node> nodes = std::exchange(graph.nodes, {});
  for (Node& node : nodes) {
    if (!is_fused_convolution(node)) {
      graph.append(std::move(node));
      continue;
    }
    const FusedConvolution fused = read_fused_convolution(node);
    const ValueId result = node.results[0];
    const ConvolutionTrial trial(fused, graph.value(result).shape, some_weight(graph, fused.conv.weight), false,
                                 options);
    switch (trial.fastest()) {
      case ConvolutionForm::Fused: graph.append(std::move(node)); break;
      case ConvolutionForm::Plain: append_plain(graph, fused, fused.conv.weight, result); break;
      case ConvolutionForm::Product: append_product(graph, fused, result); break;
      case ConvolutionForm::Own: append_own(graph, fused, fused.conv.weight, result); break;
    }
  }
}

}  // namespace

std::optional<LaidOutProgram> lay_out(const CapturedProgram& original, const Options& options) {
  const std::vector<std::string> disabled = disabled_passes(options);
  if (std::find(disabled.begin(), disabled.end(), kLayoutPass) != disabled.end()) return std::nullopt;
  LaidOutProgram made{.program = original};
  made.convolutions = move_convolutions(made.program.graph, options);
  if (made.convolutions == 0) return std::nullopt;
  run_passes(made.program.graph, disabled);
  choose_forms(made.program.graph, options);
  return made;
}

}  // namespace braze
