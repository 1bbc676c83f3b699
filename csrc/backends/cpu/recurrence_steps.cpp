#include "recurrence_steps.h"

#include "schedule/product_form.h"
#include "schedule/recurrence_form.h"

namespace braze::cpu {
namespace {

class GateWriter {
 public:
  explicit GateWriter(const GateLayout& layout) : layout_(layout), step_(layout.rows, layout.units, false) {
    sums_ = step_.param(false), given_ = step_.param(false);
  }

  int param(bool written) { return step_.param(written); }
  int state(int param) { return step_.load(param, {layout_.state_row, 1}); }
  int bias(int param) { return step_.load(param, {0, 1}); }
  int sum(int64_t gate) { return step_.load(sums_, {kPanelColumns, 1}, gate * kUnitsOfPanel); }
  int given(int64_t gate) { return step_.load(given_, {layout_.given_row, 1}, gate * layout_.given_gate); }
  int all(int64_t gate) { return add(sum(gate), given(gate)); }

  int add(int a, int b) { return step_.apply(Op::add_, {a, b}); }
  int sub(int a, int b) { return step_.apply(Op::sub_, {a, b}); }
  int mul(int a, int b) { return step_.apply(Op::mul_, {a, b}); }
  int tanh(int x) { return step_.apply(Op::tanh_, {x}); }
  int sigmoid(int x) {
    const int one = step_.number(1);
    return step_.apply(Op::div_, {one, add(one, step_.apply(Op::exp_, {step_.apply(Op::neg_, {x})}))});
  }

  void store(int param, int value) { step_.store(param, value, {layout_.state_row, 1}); }
  Kernel take() { return step_.take(); }

 private:
  const GateLayout& layout_;
  StepWriter step_;
  int sums_ = -1, given_ = -1;
};

}  // namespace

Kernel lstm_step(const GateLayout& layout) {
  GateWriter write(layout);
  const int before = write.param(false), cells = write.param(true), hidden = write.param(true);
  const int in = write.sigmoid(write.all(0)), forget = write.sigmoid(write.all(1));
  const int cell = write.add(write.mul(forget, write.state(before)), write.mul(in, write.tanh(write.all(2))));
  const int state = write.mul(write.sigmoid(write.all(3)), write.tanh(cell));
  write.store(cells, cell);
  write.store(hidden, state);
  return write.take();
}

Kernel gru_step(const GateLayout& layout) {
  GateWriter write(layout);
  const int bias = write.param(false), before = write.param(false), hidden = write.param(true);
  const int reset = write.sigmoid(write.all(0)), update = write.sigmoid(write.all(1));
  const int recurrent = write.add(write.sum(2), write.bias(bias));
  const int candidate = write.tanh(write.add(write.given(2), write.mul(reset, recurrent)));
  const int kept = write.mul(update, write.sub(write.state(before), candidate));
  write.store(hidden, write.add(candidate, kept));
  return write.take();
}

}  // namespace braze::cpu
