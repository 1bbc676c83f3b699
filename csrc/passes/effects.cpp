#include "passes/effects.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace braze {
namespace {

/// ATen operators that move a generator's state: anything that starts with one of these.
constexpr std::string_view kRandom[] = {"rand",
                                        "bernoulli",
                                        "normal",
                                        "uniform",
                                        "dropout",
                                        "native_dropout",
                                        "multinomial",
                                        "exponential",
                                        "geometric",
                                        "log_normal",
                                        "cauchy",
                                        "poisson",
                                        "binomial",
                                        "_standard_gamma",
                                        "_sample_dirichlet",
                                        "rrelu",
                                        "alpha_dropout",
                                        "feature_dropout",
                                        "feature_alpha_dropout",
                                        "_fused_dropout"};

/// Those of ATen whose results are as long as values say; index only where a mask is among the indices, and then it is
/// left to PyTorch.
constexpr std::string_view kSizedByValues[] = {"aten::nonzero",
                                               "aten::index",
                                               "aten::masked_select",
                                               "aten::_unique",
                                               "aten::_unique2",
                                               "aten::unique_dim",
                                               "aten::unique_consecutive",
                                               "aten::unique_dim_consecutive",
                                               "aten::bincount",
                                               "aten::repeat_interleave",
                                               "aten::linalg_lstsq",
                                               "aten::_ctc_loss"};

}  // namespace

bool is_sized_by_values(std::string_view op) {
  return std::find(std::begin(kSizedByValues), std::end(kSizedByValues), op) != std::end(kSizedByValues);
}

bool has_effects(const Node& node) {
  if (node.op != Op::extern_) return false;
  std::string_view op = node.call.op;
  if (is_sized_by_values(op)) return true;
  if (node.results.empty()) return true;
  if (op.starts_with("mkldnn::") || op.starts_with("mkl::")) return false;
  constexpr std::string_view kNamespace = "aten::";
  if (!op.starts_with(kNamespace)) return true;
  op.remove_prefix(kNamespace.size());
  if (op.find("scaled_dot_product") != op.npos || op.starts_with("_assert")) return true;
  return std::any_of(std::begin(kRandom), std::end(kRandom),
                     [&](std::string_view name) { return op.starts_with(name); });
}

}  // namespace braze
