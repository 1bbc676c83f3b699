#include "attention_steps.h"

#include <cmath>

#include "schedule/product_form.h"
#include "step_kernel.h"

namespace braze::cpu {
namespace {

constexpr MatrixStrides kPanel = {kPanelColumns, 1}, kEachRow = {1, 0}, kEachColumn = {0, 1};

/// What exponents are counted from: the largest score, or 0 where there is none above -inf.
int origin_of(StepWriter& step, int largest) {
  return step.apply(Op::where_, {step.apply(Op::eq_, {largest, step.number(-INFINITY)}), step.number(0), largest});
}

}  // namespace

Kernel copy_step(int64_t rows, int64_t columns, MatrixStrides from, MatrixStrides to) {
  StepWriter step(rows, columns, false);
  const int source = step.param(false), target = step.param(true);
  step.store(target, step.load(source, from), to);
  return step.take();
}

Kernel scale_step(int64_t rows, int64_t columns, MatrixStrides from, MatrixStrides to, double scale) {
  StepWriter step(rows, columns, false);
  const int source = step.param(false), target = step.param(true);
  step.store(target, step.apply(Op::mul_, {step.load(source, from), step.number(scale)}), to);
  return step.take();
}

Kernel start_step(int64_t rows) {
  StepWriter step(1, rows, false);
  const int largest = step.param(true), total = step.param(true);
  step.store(largest, step.number(-INFINITY), kEachColumn);
  step.store(total, step.number(0), kEachColumn);
  return step.take();
}

Kernel scores_step(int64_t rows, int64_t keys, bool masked, MatrixStrides mask, bool causal) {
  StepWriter step(rows, keys, true);
  const int scores = step.param(false), before = step.param(false), powers = step.param(true),
            largest = step.param(true), total = step.param(true);
  int score = step.load(scores, kPanel);
  if (masked) {
    const int param = step.param(false);
    int added = step.load(param, mask);
    score = step.apply(Op::add_, {score, added});
  }
  if (causal) {
    const int distance = step.load(step.param(false), {0, 0});
    const int last = step.apply(Op::sub_, {step.index(kEachRow), distance});
    const int seen = step.apply(Op::le_, {step.index(kEachColumn), last});
    score = step.apply(Op::where_, {seen, score, step.number(-INFINITY)});
  }
  const int most = step.apply(Op::maximum_, {step.reduce(Op::max_, score), step.load(before, kEachRow)});
  const int power = step.apply(Op::exp_, {step.apply(Op::sub_, {score, origin_of(step, most)})});
  const int sum = step.reduce(Op::sum_, power);
  step.store(powers, power, kPanel);
  step.store(largest, most, kEachRow);
  step.store(total, sum, kEachRow);
  return step.take();
}

Kernel totals_step(int64_t rows) {
  StepWriter step(1, rows, false);
  const int before = step.param(false), now = step.param(false), added = step.param(false), so_far = step.param(false),
            shrinking = step.param(true), total = step.param(true), kept = step.param(true);
  const int largest = step.load(now, kEachColumn);
  const int origin = origin_of(step, largest);
  const int shrink = step.apply(Op::exp_, {step.apply(Op::sub_, {step.load(before, kEachColumn), origin})});
  const int shrunk = step.apply(Op::mul_, {step.load(so_far, kEachColumn), shrink});
  const int sum = step.apply(Op::add_, {shrunk, step.load(added, kEachColumn)});
  step.store(shrinking, shrink, kEachColumn);
  step.store(total, sum, kEachColumn);
  step.store(kept, largest, kEachColumn);
  return step.take();
}

Kernel shrink_step(int64_t rows, int64_t columns) {
  StepWriter step(rows, columns, false);
  const int sums = step.param(false), shrinking = step.param(false), result = step.param(true);
  step.store(result, step.apply(Op::mul_, {step.load(sums, kPanel), step.load(shrinking, kEachRow)}), kPanel);
  return step.take();
}

Kernel result_step(int64_t rows, int64_t columns, MatrixStrides strides) {
  StepWriter step(rows, columns, false);
  const int sums = step.param(false), totals = step.param(false), result = step.param(true);
  const int total = step.load(totals, kEachRow);
  const int none = step.apply(Op::eq_, {total, step.number(0)});
  const int divisor = step.apply(Op::where_, {none, step.number(1), total});
  const int mean = step.apply(Op::div_, {step.load(sums, kPanel), divisor});
  step.store(result, mean, strides);
  return step.take();
}

}  // namespace braze::cpu
