// The loops of attention. What is between the two products of a block are kernels of their own (attention_steps.h).
//
//   blocks of rows
//     the queries, scaled
//     panels of kPanelColumns keys; of causal attention those that the last row sees
//       keys packed; scores by tiles; their exponentials and totals
//       earlier sums shrunk; values packed; sums of weighted values by tiles, in panels of columns
//     the sums by the totals
#include "emit_attention.h"

#include <algorithm>

#include "attention_steps.h"
#include "kernel_emitter.h"
#include "product_tile.h"
#include "schedule/product_form.h"

namespace braze::cpu {
namespace {

constexpr int64_t kTileRows = 6;
constexpr int64_t kFewRows = 16;  // up to which keys are not packed and vectors lie along the depth
constexpr int64_t kColumnsAlongDepth = 4;

class AttentionEmitter : KernelEmitter {
 public:
  AttentionEmitter(llvm::Module& module, const Kernel& kernel, const AttentionForm& form, const std::string& name,
                   const Isa& isa, bool fast_math)
      : KernelEmitter(module, kernel, name, isa, fast_math),
        form_(form),
        block_(form.block()),
        lanes_(isa.vector_bits / 32),
        few_rows_(form.rows <= kFewRows && strides_of(form.key).column == 1) {
    const int64_t most = few_rows_ && !isa.avx512 ? 2 : kTileRows, tiles = (block_ + most - 1) / most;
    tile_rows_ = (block_ + tiles - 1) / tiles;
    rest_rows_ = (form.rows % block_ == 0 ? block_ : form.rows % block_) % tile_rows_;
    packs_values_ = strides_of(form.value).column != 1 || tiles > 1 || form.columns % lanes_ != 0;
  }

  void run() {
    enter_kernel();
    make_room();
    Value *row_begin = ir_.CreateUDiv(begin(), number(form_.columns)),
          *row_end = ir_.CreateUDiv(end(), number(form_.columns));
    advance(row_begin, row_end, [&](Value* row) {
      Value* first = ir_.CreateURem(row, number(form_.rows));
      Value* rows = least(least(number(block_), ir_.CreateSub(number(form_.rows), first)), ir_.CreateSub(row_end, row));
      block_of_rows(ir_.CreateUDiv(row, number(form_.rows)), first, rows);
      return rows;
    });
    ir_.CreateRet(number(0));
  }

 private:
  /// The strides of an instruction along rows and columns: of queries, keys and values those of each as a matrix.
  MatrixStrides strides_of(int instr) const {
    const std::vector<int64_t>& strides = kernel_.body[instr].strides;
    const int keys = kernel_.parallel_axes(), depth = keys + 1;
    auto along_rows = [&] { return form_.row_axis < 0 ? 0 : strides[form_.row_axis]; };
    if (instr == form_.query) return {along_rows(), strides[depth]};
    if (instr == form_.key) return {strides[keys], strides[depth]};
    if (instr == form_.value) return {strides[keys], strides[form_.column_axis]};
    if (instr == form_.mask) return {along_rows(), strides[keys]};
    return {along_rows(), strides[form_.column_axis]};
  }

  bool has_mask() const { return kernel_.body[form_.mask].kind == InstrKind::Load; }
  int64_t width_of_panel(int64_t column) const { return std::min(kPanelColumns, form_.columns - column); }
  Value* floats_on_stack(int64_t count) { return on_stack(ir_.getFloatTy(), count); }

  void make_room() {
    query_ = floats_on_stack(block_ * form_.depth);
    scores_ = floats_on_stack(block_ * kPanelColumns);
    powers_ = floats_on_stack(block_ * kPanelColumns);
    for (int64_t column = 0; column < form_.columns; column += kPanelColumns)
      sums_.push_back(floats_on_stack(block_ * kPanelColumns));
    for (Value** kept : {&largest_, &largest_now_, &added_, &total_, &shrinking_}) *kept = floats_on_stack(block_);
    distance_ = floats_on_stack(1);
    if (!few_rows_) packed_keys_ = room_for_panel(form_.depth, form_.keys % kPanelColumns);
    if (packs_values_) packed_values_ = room_for_panel(kPanelColumns, form_.columns % kPanelColumns);
    pointers_ = ir_.CreateAlloca(ir_.getPtrTy(), number(8));
  }

  /// Lanes past the last column are computed with; they hold nothing that is slow to compute with.
  Value* room_for_panel(int64_t rows, int64_t last_width) {
    Value* memory = floats_on_stack(rows * kPanelColumns);
    if (last_width % lanes_ != 0)
      ir_.CreateMemSet(memory, ir_.getInt8(0), static_cast<uint64_t>(rows * kPanelColumns) * 4, llvm::Align(64));
    return memory;
  }

  /// Runs a step on `points` of its points.
  void run_step(const Kernel& step, const std::string& what, std::initializer_list<Value*> params, Value* points) {
    const std::string name = name_ + "." + what;
    llvm::Function* function = module_.getFunction(name);
    if (!function) function = add_part(step, name);
    size_t next = 0;
    for (Value* param : params)
      if (param) put_pointer(pointers_, next++, param);
    ir_.CreateCall(function, {pointers_, number(0), points});
  }

  /// Where an instruction's element is, of the queries, keys, ... of one `outer` position.
  Value* address(int instr, Value* outer, Value* row, Value* column) {
    const Instr& in = kernel_.body[instr];
    Value* offset = number(in.offset);
    for (int axis = form_.row_axis < 0 ? form_.column_axis : form_.row_axis; axis-- > 0;) {
      Value* position = axis == 0 ? outer : ir_.CreateURem(outer, number(kernel_.axes[axis]));
      if (in.strides[axis] != 0) offset = ir_.CreateAdd(offset, times(position, in.strides[axis]));
      if (axis > 0) outer = ir_.CreateUDiv(outer, number(kernel_.axes[axis]));
    }
    const MatrixStrides strides = strides_of(instr);
    offset = ir_.CreateAdd(offset, times(row, strides.row));
    return floats(params_[in.param], ir_.CreateAdd(offset, times(column, strides.column)));
  }

  void block_of_rows(Value* outer, Value* first, Value* rows) {
    const double scale = kernel_.body[form_.scale].immediate.as_double();
    run_step(scale_step(block_, form_.depth, strides_of(form_.query), {form_.depth, 1}, scale), "query",
             {address(form_.query, outer, first, number(0)), query_}, times(rows, form_.depth));
    run_step(start_step(block_), "start", {largest_, total_}, rows);
    Value* seen = form_.causal ? least(number(form_.keys), ir_.CreateAdd(first, rows)) : number(form_.keys);
    loop(number(0), seen, kPanelColumns, [&](Value* key) {
      const int64_t tail = form_.keys % kPanelColumns;
      if (form_.keys < kPanelColumns || tail == 0)
        return some_keys(std::min(form_.keys, kPanelColumns), outer, first, rows, key);
      Value* fits = ir_.CreateICmpSLE(ir_.CreateAdd(key, number(kPanelColumns)), number(form_.keys));
      when(fits, [&] { some_keys(kPanelColumns, outer, first, rows, key); });
      when(ir_.CreateNot(fits), [&] { some_keys(tail, outer, first, rows, key); });
    });
    for (int64_t column = 0; column < form_.columns; column += kPanelColumns) {
      const int64_t width = width_of_panel(column);
      run_step(result_step(block_, width, strides_of(form_.store)), "result" + std::to_string(width),
               {sums_[column / kPanelColumns], total_, address(form_.store, outer, first, number(column))},
               times(rows, width));
    }
  }

  void some_keys(int64_t count, Value* outer, Value* first, Value* rows, Value* key) {
    make_scores(count, address(form_.key, outer, key, number(0)), rows);
    Value *mask = nullptr, *distance = nullptr;
    if (has_mask()) mask = address(form_.mask, outer, first, key);
    if (form_.causal) {
      ir_.CreateStore(ir_.CreateSIToFP(ir_.CreateSub(key, first), ir_.getFloatTy()), distance_);
      distance = distance_;
    }
    run_step(scores_step(block_, count, has_mask(), mask ? strides_of(form_.mask) : MatrixStrides{}, form_.causal),
             "scores" + std::to_string(count), {scores_, largest_, powers_, largest_now_, added_, mask, distance},
             rows);
    run_step(totals_step(block_), "totals", {largest_, largest_now_, added_, total_, shrinking_, total_, largest_},
             rows);
    Value* more = ir_.CreateICmpSGT(key, number(0));
    for (int64_t column = 0; column < form_.columns; column += kPanelColumns)
      add_values(count, column, address(form_.value, outer, key, number(column)), rows, more);
  }

  void make_scores(int64_t count, Value* keys, Value* rows) {
    TileShape shape;
    shape.left_row = form_.depth;
    shape.left_depth = 1;
    shape.depth = form_.depth;
    shape.along_depth = few_rows_;
    const MatrixStrides from = strides_of(form_.key);
    if (few_rows_) {
      shape.right_column = from.row;
      shape.right_depth = 1;
    } else {
      shape.right_depth = kPanelColumns;
      run_step(copy_step(form_.depth, count, {from.column, from.row}, {kPanelColumns, 1}),
               "keys" + std::to_string(count), {keys, packed_keys_}, number(form_.depth * count));
      keys = packed_keys_;
    }
    every_tile(shape, count, query_, keys, scores_, rows, number(form_.depth), ir_.getFalse());
  }

  void add_values(int64_t count, int64_t column, Value* values, Value* rows, Value* more) {
    const int64_t width = width_of_panel(column);
    Value* sums = sums_[column / kPanelColumns];
    when(more, [&] {
      run_step(shrink_step(block_, width), "shrink" + std::to_string(width), {sums, shrinking_, sums},
               times(rows, width));
    });
    TileShape shape;
    shape.left_row = kPanelColumns;
    shape.left_depth = 1;
    shape.depth = count;
    shape.right_depth = strides_of(form_.value).row;
    if (packs_values_) {
      shape.right_depth = kPanelColumns;
      run_step(copy_step(count, width, strides_of(form_.value), {kPanelColumns, 1}),
               "values" + std::to_string(count) + "x" + std::to_string(width), {values, packed_values_},
               number(count * width));
      values = packed_values_;
    }
    every_tile(shape, width, powers_, values, sums, rows, number(count), more);
  }

  /// Adds up `width` columns of a product of `rows` rows.
  void every_tile(TileShape shape, int64_t width, Value* left, Value* right, Value* result, Value* rows, Value* depth,
                  Value* more) {
    const int64_t most = shape.along_depth ? kColumnsAlongDepth : lanes_ * (isa_.avx512 ? 4 : 2);
    if (!shape.along_depth) width = (width + lanes_ - 1) / lanes_ * lanes_;
    auto columns_from = [&](Value* column, int64_t count) {
      shape.columns = static_cast<int>(count);
      Value* factor = floats(right, times(column, shape.right_column));
      rows_of_tiles(shape, left, factor, floats(result, column), rows, depth, more);
    };
    const int64_t whole = width / most * most;
    if (whole > 0) loop(number(0), number(whole), most, [&](Value* column) { columns_from(column, most); });
    if (whole < width) columns_from(number(whole), width - whole);
  }

  void rows_of_tiles(TileShape shape, Value* left, Value* right, Value* result, Value* rows, Value* depth,
                     Value* more) {
    auto tile = [&](Value* row) {
      ir_.CreateCall(tile_of(shape), {floats(left, times(row, shape.left_row)), right,
                                      floats(result, times(row, kPanelColumns)), depth, more, right, number(0)});
    };
    Value* whole = ir_.CreateSub(rows, ir_.CreateURem(rows, number(tile_rows_)));
    shape.rows = static_cast<int>(tile_rows_);
    loop(number(0), whole, tile_rows_, tile);
    if (rest_rows_ == 0) return;
    shape.rows = static_cast<int>(rest_rows_);
    when(ir_.CreateICmpSLT(whole, rows), [&] { tile(whole); });
  }

  llvm::Function* tile_of(const TileShape& shape) {
    std::string name = name_;
    for (int64_t part : {int64_t{shape.rows}, int64_t{shape.columns}, shape.left_row, shape.right_column,
                         shape.right_depth, shape.along_depth ? shape.depth : 0})
      name += "." + std::to_string(part);
    if (llvm::Function* known = module_.getFunction(name)) return known;
    return emit_tile(module_, shape, name, isa_);
  }

  const AttentionForm& form_;
  const int64_t block_, lanes_;
  const bool few_rows_;
  int64_t tile_rows_ = 1, rest_rows_ = 0;
  bool packs_values_ = false;

  std::vector<Value*> sums_;  // sums: a panel of columns each
  Value *query_ = nullptr, *scores_ = nullptr, *powers_ = nullptr, *packed_keys_ = nullptr, *packed_values_ = nullptr;
  Value *largest_ = nullptr, *largest_now_ = nullptr, *added_ = nullptr, *total_ = nullptr, *shrinking_ = nullptr;
  Value *distance_ = nullptr, *pointers_ = nullptr;
};

}  // namespace

void emit_attention(llvm::Module& module, const Kernel& kernel, const AttentionForm& form, const std::string& name,
                    const Isa& isa, bool fast_math) {
  AttentionEmitter(module, kernel, form, name, isa, fast_math).run();
}

}  // namespace braze::cpu
