// Graphs in, plans out: what becomes one kernel and where everything lives.
#include <catch2/catch.hpp>

#include "golden.h"
#include "graph/parse.h"
#include "graph/verify.h"
#include "schedule/plan_text.h"

using namespace braze;

namespace {

Plan plan_of(const std::string& text) {
  const Graph graph = parse_graph(text);
  verify(graph);
  return schedule(graph, [](const ExternCall& call) { return call.op == "aten::mm"; });
}

}  // namespace

TEST_CASE("golden plans") {
  for (const char* name :
       {"pointwise_chain", "layer_norm_gelu_residual", "softmax_mask", "rms_norm", "swiglu", "mm_bias_gelu",
        "product_gelu_residual", "product_transposed_residual", "embeddings_layer_norm", "batch_norm_relu",
        "spatial_mean", "full_norm", "bias_gradient", "in_place", "rotary", "transpose"})
    check_golden(std::string("schedule/") + name, [](const std::string& text) { return print(plan_of(text)); });
}
