// A convolution and its epilogue written as calls that PyTorch has always had.
#pragma once

#include "passes/fused_convolution.h"

namespace braze {

/// Whether on channels-last memory it is a product of two matrices.
bool may_be_product(const FusedConvolution& fused);

/// PyTorch's own convolution on `weight`, then the epilogue, into `result`.
void append_plain(Graph& graph, const FusedConvolution& fused, const Access& weight, ValueId result);
/// The product, then the epilogue.
void append_product(Graph& graph, const FusedConvolution& fused, ValueId result);

/// What an epilogue does to `made`, into `result`; nothing where there is none.
void append_epilogue(Graph& graph, const FusedConvolution& fused, Access made, ValueId result);

}  // namespace braze
