// The loops round the tiles. A panel is some columns of the result and a block of rows: part by part of the depth the
// right factor is packed and tiles add up a panel of sums on the stack; then the kernel's other instructions run over
// it, as a kernel of their own in which the sums are one more operand.
//
//   blocks of rows (the left factor's stay in the second cache); of a convolution some lines of them
//     panels
//       parts of the depth: pack; tiles by rows, and by columns where a tile is narrower than a panel; tiles ask for
//         the memory of the right factor that comes next, and in the last part for that of the results: its lines lie
//         too far apart to be foreseen
//       the rest of the kernel
#include "emit_product.h"

#include <algorithm>

#include "kernel_emitter.h"
#include "product_pack.h"
#include "product_tile.h"
#include "product_tiling.h"
#include "sums_rest.h"

namespace braze::cpu {
namespace {

class ProductEmitter : KernelEmitter {
 public:
  ProductEmitter(llvm::Module& module, const Kernel& kernel, const ProductForm& form, const std::string& name,
                 const Isa& isa, bool fast_math)
      : KernelEmitter(module, kernel, name, isa, fast_math), form_(form), tiling_(kernel, form, isa) {}

  void run() {
    const int64_t tail = form_.columns % kPanelColumns;
    if (tiling_.tile.jumps) jumps_ = table_of_jumps();
    if (form_.columns >= kPanelColumns) whole_ = make_panel(kPanelColumns);
    if (tail > 0) tail_ = make_panel(tail);
    enter_kernel();
    sums_ = on_stack(ir_.getFloatTy(), tiling_.block_lines * tiling_.block * tiling_.panel);
    if (tiling_.packs) packed_ = on_stack(ir_.getFloatTy(), tiling_.part * kPanelColumns);
    pointers_ = on_stack(ir_.getPtrTy(), kFirstOfRest + 1 + static_cast<int64_t>(kernel_.body.size()));
    if (form_.lined)
      every_line(begin(), end());
    else
      every_row(begin(), end());
    ir_.CreateRet(number(0));
  }

 private:
  /// Where a panel stands. Its rows are some of one line, or all of several.
  struct Place {
    Value *outer, *line, *row, *column;
    Value *lines, *rows;  // how many: lines, and rows of each
  };

  void every_row(Value* begin, Value* end) {
    Value *first = ir_.CreateUDiv(begin, number(form_.rows)), *last = ir_.CreateUDiv(end, number(form_.rows));
    loop(number(0), number(form_.rows), tiling_.block, [&](Value* row) {
      Value* rows = least(number(tiling_.block), ir_.CreateSub(number(form_.rows), row));
      every_panel(first, last, {nullptr, number(0), row, nullptr, number(1), rows});
    });
  }

  void every_line(Value* begin, Value* end) {
    const int64_t points = form_.rows * form_.columns;
    Value* last = ir_.CreateUDiv(end, number(points));
    advance(ir_.CreateUDiv(begin, number(points)), last, [&](Value* at) {
      Value *outer = ir_.CreateUDiv(at, number(form_.lines)), *line = ir_.CreateURem(at, number(form_.lines));
      Value* lines =
          least(least(number(tiling_.block_lines), ir_.CreateSub(number(form_.lines), line)), ir_.CreateSub(last, at));
      loop(number(0), number(form_.rows), tiling_.block, [&](Value* row) {
        Value* rows = least(number(tiling_.block), ir_.CreateSub(number(form_.rows), row));
        Value* columns = number(form_.columns);
        Value* first = ir_.CreateMul(outer, columns);
        every_panel(first, ir_.CreateAdd(first, columns), {nullptr, line, row, nullptr, lines, rows});
      });
      return lines;
    });
  }

  /// The code for panels of one width, or in place for as many columns of a panel.
  struct Panel {
    int64_t width = 0;
    llvm::Function* sums = nullptr;  // void(left, right, sums, packed, pointers, rows, lines, width)
    llvm::Function* rest = nullptr;  // a kernel over [rows, width], all lines' rows where they follow one another
  };

  // Places among the pointers: what packing reads and writes, then the params of the rest, the sums first.
  static constexpr int64_t kFirstOfRest = 2;

  /// What the tiles of one part of the depth share.
  struct Part {
    Value *left, *right, *depth;
    Value* jumps;  // the left factor's steps from here on, where it jumps
    Value* more;   // whether it is not the first
    Value* last;   // whether it is the last
    Value* next;   // where the next part lies, here or in the next panel
    Value* width;  // of the panel
  };

  /// Copies a part of the right factor's panel, its columns side by side.
  llvm::Function* make_pack(int64_t width, const std::string& name) {
    Kernel pack;
    pack.axes = {tiling_.part, width};
    pack.vector_axis = 1;
    pack.params = {{tiling_.tile.right, false}, {DType::f32, true}};
    pack.body = {
        memory_instr(InstrKind::Load, tiling_.tile.right, 0, {tiling_.tile.right_depth, tiling_.tile.right_column})};
    if (tiling_.tile.right != DType::f32) {
      pack.body.push_back({InstrKind::Elementwise, Op::cast_, DType::f32});
      pack.body.back().args = {0};
    }
    pack.body.push_back(memory_instr(InstrKind::Store, DType::f32, 1, {kPanelColumns, 1}));
    pack.body.back().args = {static_cast<int>(pack.body.size()) - 2};
    return add_part(pack, name);
  }

  /// Whether what reads and writes results moves from line to line as from row to row.
  bool lines_join() const {
    return std::all_of(kernel_.body.begin(), kernel_.body.end(), [&](const Instr& in) {
      return is_of_factor(in) || in.param < 0 || form_.line_axis < 0 ||
             in.strides[form_.line_axis] == in.strides[form_.row_axis] * form_.rows;
    });
  }

  /// Where the left factor is at each step of the depth, and where it was at the last for some more steps.
  llvm::Constant* table_of_jumps() {
    const std::vector<int64_t>& strides = kernel_.body[form_.left].strides;
    std::vector<int64_t> steps = {0};
    for (size_t a = kernel_.parallel_axes(); a < kernel_.axes.size(); ++a) {
      std::vector<int64_t> inner;
      for (int64_t step : steps)
        for (int64_t i = 0; i < kernel_.axes[a]; ++i) inner.push_back(step + i * strides[a]);
      steps = std::move(inner);
    }
    llvm::Constant* table = llvm::ConstantDataArray::get(module_.getContext(), steps);
    auto* global = new llvm::GlobalVariable(module_, table->getType(), true, llvm::GlobalValue::InternalLinkage, table,
                                            name_ + ".jumps");
    global->setAlignment(llvm::Align(8));
    return global;
  }

  Panel make_panel(int64_t width) {
    const std::string name = name_ + "." + std::to_string(width);
    const int64_t rows = (lines_join() ? tiling_.block_lines : 1) * tiling_.block;
    const Kernel rest = rest_of_sums(kernel_, form_.row_axis, form_.column_axis, rows, width, tiling_.panel);
    Panel panel{.width = width, .rest = add_part(rest, name + ".rest")};
    panel.sums = tiling_.in_place && whole_.sums ? whole_.sums : make_sums(width, name);
    return panel;
  }

  llvm::Function* make_sums(int64_t width, const std::string& name) {
    const bool turns = tiling_.tile.right_depth == 1 && tiling_.tile.right_column != 1;
    llvm::Function* pack = !tiling_.packs ? nullptr
                           : turns
                               ? emit_transposing_pack(module_, tiling_.tile.right, width, tiling_.tile.right_column,
                                                       form_.depth % 16, name + ".pack", isa_)
                               : make_pack(width, name + ".pack");
    llvm::Type *pointer = ir_.getPtrTy(), *i64 = ir_.getInt64Ty();
    llvm::Function* sums = add_function(module_, name + ".sums", isa_,
                                        {pointer, pointer, pointer, pointer, pointer, i64, i64, i64}, ir_.getVoidTy());
    enter(sums);
    Value *left = function_->getArg(0), *right = function_->getArg(1), *packed = function_->getArg(3),
          *pointers = function_->getArg(4);
    Value* columns = tiling_.in_place ? static_cast<Value*>(function_->getArg(7)) : number(width);
    if (pack && !turns) clear_unused_lanes(packed, width);
    loop(number(0), number(form_.depth), tiling_.part, [&](Value* k) {
      Value* depth = least(number(tiling_.part), ir_.CreateSub(number(form_.depth), k));
      const DType dtype = tiling_.tile.right;
      Value* from = moved(right, dtype, times(k, tiling_.tile.right_depth));
      if (turns && pack) {
        ir_.CreateCall(pack, {from, packed, depth});
      } else if (pack) {
        put_pointer(pointers, 0, from);
        put_pointer(pointers, 1, packed);
        ir_.CreateCall(pack, {pointers, number(0), times(depth, width)});
      }
      Value* end = ir_.CreateAdd(k, number(tiling_.part));
      Value* last = ir_.CreateICmpSGE(end, number(form_.depth));
      Value* next = ir_.CreateSelect(last, moved(right, dtype, number(tiling_.next_panel)),
                                     moved(right, dtype, times(end, tiling_.tile.right_depth)));
      const bool jumps = tiling_.tile.jumps;
      every_tile({jumps ? left : moved(left, tiling_.tile.left, times(k, tiling_.tile.left_depth)),
                  pack ? packed : from, depth, jumps ? ir_.CreateGEP(ir_.getInt64Ty(), jumps_, k) : nullptr,
                  ir_.CreateICmpSGT(k, number(0)), last, next, columns});
    });
    ir_.CreateRetVoid();
    return sums;
  }

  /// Lanes past the last column are computed with; they hold nothing that is slow to compute with.
  void clear_unused_lanes(Value* packed, int64_t width) {
    if (width % tiling_.lanes == 0) return;
    llvm::Type* vector = with_lanes(ir_.getFloatTy(), tiling_.lanes);
    Value* last = floats(packed, number(width / tiling_.lanes * tiling_.lanes));
    loop(number(0), number(tiling_.part), 1, [&](Value* k) {
      ir_.CreateAlignedStore(llvm::Constant::getNullValue(vector), floats(last, times(k, kPanelColumns)),
                             llvm::Align(4));
    });
  }

  void every_tile(const Part& part) {
    TileShape shape = tiling_.tile;
    shape.result_row = tiling_.panel;
    if (tiling_.packs) {
      shape.right_depth = kPanelColumns;
      shape.right_column = 1;
      shape.right = DType::f32;
    }
    const int together = shape.columns;
    auto columns_from = [&](Value* column, int64_t count) {
      shape.columns = static_cast<int>(count);
      rows_of_tiles(shape, part, column);
    };
    if (tiling_.in_place) {
      Value* whole = ir_.CreateSub(part.width, ir_.CreateURem(part.width, number(together)));
      loop(number(0), whole, together, [&](Value* column) { columns_from(column, together); });
      Value* left_over = ir_.CreateSub(part.width, whole);
      for (int count = tiling_.lanes; count < together; count += tiling_.lanes)
        when(ir_.CreateICmpEQ(left_over, number(count)), [&] { columns_from(whole, count); });
      return;
    }
    int64_t width = llvm::cast<llvm::ConstantInt>(part.width)->getSExtValue();
    if (!shape.along_depth) width = (width + tiling_.lanes - 1) / tiling_.lanes * tiling_.lanes;
    const int64_t whole = width / together * together;
    if (whole > 0) loop(number(0), number(whole), together, [&](Value* column) { columns_from(column, together); });
    if (whole < width) columns_from(number(whole), width - whole);
  }

  void rows_of_tiles(TileShape shape, const Part& part, Value* column) {
    if (form_.line_axis < 0) return rows_of_line(shape, part, column, number(0));
    loop(number(0), function_->getArg(6), 1, [&](Value* line) { rows_of_line(shape, part, column, line); });
  }

  void rows_of_line(TileShape shape, const Part& part, Value* column, Value* line) {
    Value *sums = function_->getArg(2), *rows = function_->getArg(5);
    Value* right = moved(part.right, shape.right, times(column, shape.right_column));
    Value* first_left = moved(part.left, shape.left, times(line, stride_of_lines(kernel_.body[form_.left])));
    Value* first_sum = floats(sums, ir_.CreateAdd(times(line, form_.rows * tiling_.panel), column));
    Value* next = part.next;
    if (tiling_.in_place) {
      Value* beside = ir_.CreateAdd(column, number(shape.columns));
      next = ir_.CreateSelect(ir_.CreateICmpSLT(beside, part.width), moved(part.right, shape.right, beside), next);
    }
    const int64_t tiles = (tiling_.block + shape.rows - 1) / shape.rows;
    auto tile = [&](Value* row) {
      if (tiling_.tile.ahead > 0) when(part.last, [&] { ask_for_results(line, row, shape.rows, column); });
      Value* left = moved(first_left, shape.left, times(row, shape.left_row));
      Value* result = floats(first_sum, times(row, tiling_.panel));
      Value* ordinal = ir_.CreateAdd(times(line, tiles), ir_.CreateUDiv(row, number(tiling_.tile.rows)));
      auto [ahead, step] = lines_ahead(next, part.right, ordinal);
      llvm::SmallVector<Value*, 8> arguments = {left, right, result, part.depth, part.more};
      if (shape.ahead > 0) arguments.append({ahead, step});
      if (shape.jumps) arguments.push_back(part.jumps);
      ir_.CreateCall(tile_of(shape), arguments);
    };
    const int64_t rest = form_.rows % shape.rows;
    Value* whole = ir_.CreateSub(rows, ir_.CreateURem(rows, number(shape.rows)));
    loop(number(0), whole, shape.rows, tile);
    if (rest == 0) return;
    shape.rows = static_cast<int>(rest);
    when(ir_.CreateICmpSLT(whole, rows), [&] { tile(whole); });
  }

  int64_t stride_of_lines(const Instr& in) const { return form_.line_axis < 0 ? 0 : in.strides[form_.line_axis]; }

  /// The lines of what is `next` that the tiles at `row` ask for, and the bytes from one step to the next: one that is
  /// at hand when all have been asked for.
  std::pair<Value*, Value*> lines_ahead(Value* next, Value* at_hand, Value* row) {
    if (tiling_.tile.ahead == 0) return {at_hand, number(0)};
    Value* line = times(row, tiling_.tile.ahead);
    Value* some = ir_.CreateICmpSLT(line, number(tiling_.next_lines));
    Value* first = ir_.CreateGEP(ir_.getInt8Ty(), next, times(line, kLine));
    return {ir_.CreateSelect(some, first, at_hand), ir_.CreateSelect(some, number(tiling_.next_step), number(0))};
  }

  /// The memory in which the rest of the kernel reads and writes results of one tile.
  void ask_for_results(Value* line, Value* row, int64_t rows, Value* column) {
    size_t place = kFirstOfRest + 1;
    for (const Instr& in : kernel_.body) {
      if (is_of_factor(in) || in.param < 0) continue;
      Value* address = ir_.CreateConstGEP1_64(ir_.getPtrTy(), function_->getArg(4), place++);
      const int64_t apart = form_.row_axis < 0 ? 0 : in.strides[form_.row_axis];
      if (apart == 0 || in.strides[form_.column_axis] != 1) continue;
      Value* of_line = moved(ir_.CreateLoad(ir_.getPtrTy(), address), in.dtype, times(line, stride_of_lines(in)));
      Value* first = moved(of_line, in.dtype, column);
      const int64_t bytes = tiling_.tile.columns * info(in.dtype).bytes;
      loop(row, ir_.CreateAdd(row, number(rows)), 1, [&](Value* at) {
        Value* begin = moved(first, in.dtype, times(at, apart));
        for (int64_t line = 0; line < bytes; line += kLine)
          prefetch(ir_.CreateConstGEP1_64(ir_.getInt8Ty(), begin, line), Cache::Second, in.kind == InstrKind::Store);
      });
    }
  }

  /// One function a shape; panels of different widths share most.
  llvm::Function* tile_of(const TileShape& shape) {
    const std::string name = name_ + "." + std::to_string(shape.rows) + "x" + std::to_string(shape.columns);
    if (llvm::Function* known = module_.getFunction(name)) return known;
    return emit_tile(module_, shape, name, isa_);
  }

  void every_panel(Value* begin, Value* end, Place place) {
    advance(begin, end, [&](Value* at) -> Value* {
      place.outer = number(0), place.column = at;
      if (form_.outer > 1) {
        place.outer = ir_.CreateUDiv(at, number(form_.columns));
        place.column = ir_.CreateURem(at, number(form_.columns));
      }
      if (tiling_.in_place) {
        Value* width = least(number(tiling_.panel), ir_.CreateSub(end, at));
        if (form_.outer > 1) width = least(width, ir_.CreateSub(number(form_.columns), place.column));
        panel_in_place(place, width);
        return width;
      }
      if (tail_.width == 0 || whole_.width == 0) {
        const Panel& only = tail_.width == 0 ? whole_ : tail_;
        panel_at(only, place);
        return number(only.width);
      }
      Value* fits = ir_.CreateICmpSLE(ir_.CreateAdd(place.column, number(kPanelColumns)), number(form_.columns));
      when(fits, [&] { panel_at(whole_, place); });
      when(ir_.CreateNot(fits), [&] { panel_at(tail_, place); });
      return ir_.CreateSelect(fits, number(whole_.width), number(tail_.width));
    });
  }

  /// Where an instruction reads or writes at the first column of a panel and one of its lines.
  Value* address(int i, const Place& place, Value* line) {
    const Instr& in = kernel_.body[i];
    Value* offset = number(in.offset);
    auto move = [&](Value* position, int axis) {
      if (in.strides[axis] != 0) offset = ir_.CreateAdd(offset, times(position, in.strides[axis]));
    };
    Value* left_over = place.outer;
    for (int a = form_.column_axis; a-- > 0;) {
      if (a == form_.line_axis || a == form_.block_axis) continue;
      move(ir_.CreateURem(left_over, number(kernel_.axes[a])), a);
      left_over = ir_.CreateUDiv(left_over, number(kernel_.axes[a]));
    }
    if (form_.block_axis >= 0)
      move(ir_.CreateUDiv(place.column, number(kPanelColumns)), form_.block_axis);
    else
      move(place.column, form_.column_axis);
    if (form_.row_axis >= 0) move(place.row, form_.row_axis);
    if (form_.line_axis >= 0) move(line, form_.line_axis);
    return moved(params_[in.param], in.dtype, offset);
  }

  /// Where the rest of the kernel finds the sums, and reads and writes from a panel's first column on.
  void point_rest_at(const Place& place, Value* sums, Value* line) {
    put_pointer(pointers_, kFirstOfRest, sums);
    size_t next = kFirstOfRest + 1;
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
      if (!is_of_factor(kernel_.body[i]) && kernel_.body[i].param >= 0)
        put_pointer(pointers_, next++, address(i, place, line));
  }

  void run_rest(const Panel& panel, Value* rows) {
    Value* of_rest = ir_.CreateConstGEP1_64(pointers_->getType(), pointers_, kFirstOfRest);
    ir_.CreateCall(panel.rest, {of_rest, number(0), times(rows, panel.width)});
  }

  void make_sums_at(llvm::Function* sums, const Place& place, Value* width) {
    point_rest_at(place, sums_, place.line);
    ir_.CreateCall(sums, {address(form_.left, place, place.line), address(form_.right, place, place.line), sums_,
                          packed_ ? packed_ : sums_, pointers_, place.rows, place.lines, width});
  }

  void panel_at(const Panel& panel, const Place& place) {
    make_sums_at(panel.sums, place, number(panel.width));
    if (lines_join()) return run_rest(panel, ir_.CreateMul(place.rows, place.lines));
    loop(number(0), place.lines, 1, [&](Value* line) {
      point_rest_at(place, floats(sums_, times(line, form_.rows * tiling_.panel)), ir_.CreateAdd(place.line, line));
      run_rest(panel, place.rows);
    });
  }

  /// A panel of any width that holds whole vectors.
  void panel_in_place(Place place, Value* width) {
    make_sums_at((whole_.sums ? whole_ : tail_).sums, place, width);
    Value *first = place.column, *tail = ir_.CreateAnd(width, number(kPanelColumns - 1));
    Value* whole = ir_.CreateSub(width, tail);
    auto rest_from = [&](const Panel& panel, Value* column) {
      place.column = ir_.CreateAdd(first, column);
      point_rest_at(place, floats(sums_, column), place.line);
      run_rest(panel, place.rows);
    };
    if (whole_.rest) loop(number(0), whole, kPanelColumns, [&](Value* column) { rest_from(whole_, column); });
    if (tail_.rest) when(ir_.CreateICmpNE(tail, number(0)), [&] { rest_from(tail_, whole); });
  }

  const ProductForm& form_;
  const Tiling tiling_;
  Panel whole_, tail_;
  Value *sums_ = nullptr, *packed_ = nullptr, *pointers_ = nullptr;
  llvm::Constant* jumps_ = nullptr;
};

}  // namespace

void emit_product(llvm::Module& module, const Kernel& kernel, const ProductForm& form, const std::string& name,
                  const Isa& isa, bool fast_math) {
  ProductEmitter(module, kernel, form, name, isa, fast_math).run();
}

}  // namespace braze::cpu
