// The steps of attention between its products, as kernels of their own over what a block of rows keeps on the stack.
//
// What is kept of a row, beside the sums of weighted values: the largest score so far, and the total of the
// exponentials of the scores less that. New keys may bring a larger score; then totals and sums shrink by the
// exponential of the difference. A row whose scores are all -inf counts from 0 and has the total 0.
#pragma once

#include "step_kernel.h"

namespace braze::cpu {

/// Copies `rows` x `columns`: params from, to.
Kernel copy_step(int64_t rows, int64_t columns, MatrixStrides from, MatrixStrides to);
/// As copy_step, each element times `scale`.
Kernel scale_step(int64_t rows, int64_t columns, MatrixStrides from, MatrixStrides to, double scale);
/// Rows that have met no key: params largest, total.
Kernel start_step(int64_t rows);
/// Exponentials of the scores of `keys` keys: params scores, largest so far, exponentials, largest, total of these
/// keys; where `masked`, then the mask; where `causal`, then the number of the first key less that of the first row.
Kernel scores_step(int64_t rows, int64_t keys, bool masked, MatrixStrides mask, bool causal);
/// How much sums shrink, and totals: params largest so far, largest, total of these keys, total so far, shrinking,
/// total, largest so far. The last two may be where the first and the fourth are.
Kernel totals_step(int64_t rows);
/// Shrinks sums in place: params sums, shrinking, sums.
Kernel shrink_step(int64_t rows, int64_t columns);
/// The results: params sums, total, result.
Kernel result_step(int64_t rows, int64_t columns, MatrixStrides result);

}  // namespace braze::cpu
