// Calls on lists of tensors, _foreach_add_ and its family, taken apart into one call a tensor.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace braze {

/// One ATen call for each element of a `_foreach_` call's lists ("aten::_foreach_add_" gives "aten::add_"); empty when
/// the call is none or its lists do not fit each other. Together their results are the results of `node`.
std::vector<Node> split_foreach(const Node& node);

}  // namespace braze
