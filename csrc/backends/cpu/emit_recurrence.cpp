// The loops of a recurrent layer. What is done with the sums of a panel is a kernel of its own (recurrence_steps.h).
//
//   steps, the first or the last of them first
//     panels of the gates of kUnitsOfPanel units
//       tiles of rows
//         sums over the states before, on the stack; the next states, written where the result has them
#include "emit_recurrence.h"

#include <algorithm>

#include "kernel_emitter.h"
#include "product_tile.h"
#include "recurrence_steps.h"
#include "schedule/product_form.h"

namespace braze::cpu {
namespace {

constexpr int64_t kColumnsAlongDepth = 4;

class RecurrenceEmitter : KernelEmitter {
 public:
  RecurrenceEmitter(llvm::Module& module, const Kernel& kernel, const RecurrenceForm& form, const std::string& name,
                    const Isa& isa, bool fast_math)
      : KernelEmitter(module, kernel, name, isa, fast_math), form_(form) {}

  void run() {
    enter_kernel();
    panel_ = on_stack(ir_.getFloatTy(), form_.tile_rows() * kPanelColumns);
    pointers_ = ir_.CreateAlloca(ir_.getPtrTy(), number(8));
    first_row_ = ir_.CreateUDiv(begin(), number(form_.points_of_row()));
    end_row_ = ir_.CreateUDiv(end(), number(form_.points_of_row()));
    loop(number(0), number(form_.steps), 1, [&](Value* turn) { step(turn); });
    ir_.CreateRet(number(0));
  }

 private:
  /// A place in the memory of an instruction. The unit's gates and hidden states are meant where none is named.
  struct Place {
    Value *row = nullptr, *step = nullptr, *block = nullptr, *unit = nullptr;
    int64_t state = 0;
  };

  int64_t stride(int instr, int axis) const { return axis < 0 ? 0 : kernel_.body[instr].strides[axis]; }

  Value* address(int instr, const Place& place) {
    const Instr& in = kernel_.body[instr];
    Value* offset = number(in.offset + place.state * stride(instr, form_.state_axis));
    auto move = [&](Value* position, int axis) {
      if (position && stride(instr, axis) != 0) offset = ir_.CreateAdd(offset, times(position, stride(instr, axis)));
    };
    move(place.row, form_.row_axis), move(place.step, form_.step_axis);
    move(place.block, form_.block_axis), move(place.unit, form_.unit_axis);
    return floats(params_[in.param], offset);
  }

  void step(Value* turn) {
    Value* last = number(form_.steps - 1);
    Value* now = form_.backward ? ir_.CreateSub(last, turn) : turn;
    Value* before = form_.backward ? ir_.CreateAdd(now, number(1)) : ir_.CreateSub(now, number(1));
    is_first_ = ir_.CreateICmpEQ(turn, number(0));
    if (form_.packed)
      return loop(number(0), number(form_.blocks), 1,
                  [&](Value* block) { panel(form_.units, {nullptr, now, block}, before); });
    const int64_t tail = form_.units % kUnitsOfPanel, whole = form_.units - tail;
    if (whole > 0)
      loop(number(0), number(whole), kUnitsOfPanel,
           [&](Value* unit) { panel(kUnitsOfPanel, {nullptr, now, nullptr, unit}, before); });
    if (tail > 0) panel(tail, {nullptr, now, nullptr, number(whole)}, before);
  }

  void panel(int64_t units, Place place, Value* before) {
    Value* weights = address(form_.weight, place);
    advance(first_row_, end_row_, [&](Value* row) {
      Value* rows = least(number(form_.tile_rows()), ir_.CreateSub(end_row_, row));
      place.row = row;
      Value* states = ir_.CreateSelect(is_first_, address(form_.start, {row}), address(form_.store, {row, before}));
      sum_up(form_.tile_rows(), units, states, weights, rows);
      next_states(units, place, before, rows);
      return rows;
    });
  }

  /// The last tile of a launch may have fewer rows.
  void sum_up(int64_t most_rows, int64_t units, Value* states, Value* weights, Value* rows) {
    const int64_t rest = form_.rows % most_rows;
    if (rest == 0) return tile(most_rows, units, states, weights);
    Value* is_whole = ir_.CreateICmpEQ(rows, number(most_rows));
    when(is_whole, [&] { tile(most_rows, units, states, weights); });
    when(ir_.CreateNot(is_whole), [&] { tile(rest, units, states, weights); });
  }

  void tile(int64_t rows, int64_t units, Value* states, Value* weights) {
    TileShape shape;
    shape.left_row = stride(form_.store, form_.row_axis);
    shape.left_depth = 1;
    shape.depth = form_.depth;
    shape.along_depth = !form_.packed;
    if (form_.packed) {
      shape.right_depth = stride(form_.weight, form_.depth_axis);
      return columns(shape, rows, form_.gates * units, (isa_.avx512 ? 4 : 2) * isa_.vector_bits / 32, states, weights,
                     panel_);
    }
    shape.right_depth = 1;
    shape.right_column = stride(form_.weight, form_.unit_axis);
    for (int64_t gate = 0; gate < form_.gates; ++gate)
      columns(shape, rows, units, kColumnsAlongDepth, states,
              floats(weights, gate * stride(form_.weight, form_.gate_axis)), floats(panel_, gate * kUnitsOfPanel));
  }

  /// Some columns of a panel, `most` at a time; as many rows at a time as there are registers for.
  void columns(TileShape shape, int64_t rows, int64_t width, int64_t most, Value* states, Value* weights, Value* sums) {
    const int64_t most_rows = shape.along_depth && !isa_.avx512 ? 2 : rows;
    for (int64_t column = 0; column < width; column += most) {
      shape.columns = static_cast<int>(std::min(most, width - column));
      Value *right = floats(weights, column * shape.right_column), *result = floats(sums, column);
      for (int64_t row = 0; row < rows; row += most_rows) {
        shape.rows = static_cast<int>(std::min(most_rows, rows - row));
        ir_.CreateCall(tile_of(shape),
                       {floats(states, row * shape.left_row), right, floats(result, row * kPanelColumns),
                        number(form_.depth), ir_.getFalse(), right, number(0)});
      }
    }
  }

  llvm::Function* tile_of(const TileShape& shape) {
    const std::string name = name_ + "." + std::to_string(shape.rows) + "x" + std::to_string(shape.columns);
    if (llvm::Function* known = module_.getFunction(name)) return known;
    return emit_tile(module_, shape, name, isa_);
  }

  void next_states(int64_t units, Place place, Value* before, Value* rows) {
    const bool cells = form_.states == 2;
    Place last = place, cell = place;
    last.step = before;
    cell.state = last.state = cells ? 1 : 0;
    Value* first = cells ? address(form_.extra, place) : start_of(place);
    Value* kept = ir_.CreateSelect(is_first_, first, address(form_.store, last));
    std::vector<Value*> params = {panel_, address(form_.given, place)};
    if (cells)
      params.insert(params.end(), {kept, address(form_.store, cell)});
    else
      params.insert(params.end(), {address(form_.extra, place), kept});
    params.push_back(address(form_.store, place));
    for (size_t p = 0; p < params.size(); ++p) put_pointer(pointers_, p, params[p]);
    ir_.CreateCall(gates_of(units), {pointers_, number(0), times(rows, units)});
  }

  /// The first states of a place's units, which lie along their depth.
  Value* start_of(const Place& place) {
    Value* unit = place.block ? times(place.block, form_.units) : place.unit ? place.unit : number(0);
    return floats(address(form_.start, {place.row}), unit);
  }

  llvm::Function* gates_of(int64_t units) {
    const std::string name = name_ + ".gates" + std::to_string(units);
    if (llvm::Function* known = module_.getFunction(name)) return known;
    const GateLayout layout{form_.tile_rows(), units, stride(form_.given, form_.row_axis),
                            stride(form_.given, form_.gate_axis), stride(form_.store, form_.row_axis)};
    return add_part(form_.states == 2 ? lstm_step(layout) : gru_step(layout), name);
  }

  const RecurrenceForm& form_;

  Value *panel_ = nullptr, *pointers_ = nullptr;
  Value *first_row_ = nullptr, *end_row_ = nullptr, *is_first_ = nullptr;
};

}  // namespace

void emit_recurrence(llvm::Module& module, const Kernel& kernel, const RecurrenceForm& form, const std::string& name,
                     const Isa& isa, bool fast_math) {
  RecurrenceEmitter(module, kernel, form, name, isa, fast_math).run();
}

}  // namespace braze::cpu
