// Two kinds of tile. With vectors along the columns each step of the depth broadcasts one element a row of the left
// factor. With vectors along the depth nothing has to be turned or packed, which is best for few rows; the sums across
// vectors are taken four columns at a time. Each column is a stretch of memory of its own, too short for a prefetcher
// to come up to speed while there is work between its lines, so that beyond one row the next columns are asked for
// meanwhile: weights that are in no cache take up to a third less time, those in the second one hardly more.
#include "product_tile.h"

#include <functional>

#include "code.h"
#include "emit_convert.h"
#include "function_emitter.h"

namespace braze::cpu {
namespace {

class TileEmitter : FunctionEmitter {
 public:
  TileEmitter(llvm::Module& module, const TileShape& shape, const Isa& isa)
      : FunctionEmitter(module, isa),
        code_{ir_, isa},
        shape_(shape),
        lanes_(isa.vector_bits / 32),
        vector_(llvm::FixedVectorType::get(ir_.getFloatTy(), static_cast<unsigned>(lanes_))) {}

  llvm::Function* run(const std::string& name) {
    llvm::Type *pointer = ir_.getPtrTy(), *i64 = ir_.getInt64Ty();
    llvm::SmallVector<llvm::Type*, 8> args = {pointer, pointer, pointer, i64, ir_.getInt1Ty()};
    if (shape_.ahead > 0) args.append({pointer, i64});
    if (shape_.jumps) args.push_back(pointer);
    enter(add_function(module_, name, isa_, args, ir_.getVoidTy()));
    if (shape_.along_depth)
      along_depth();
    else
      along_columns();
    ir_.CreateRetVoid();
    return function_;
  }

 private:
  using Values = std::vector<Value*>;

  Value* left() const { return function_->getArg(0); }
  Value* right() const { return function_->getArg(1); }
  Value* result() const { return function_->getArg(2); }
  Value* depth() const { return function_->getArg(3); }
  Value* more() const { return function_->getArg(4); }
  Value* ahead() const { return function_->getArg(5); }
  Value* step_ahead() const { return function_->getArg(6); }
  Value* jumps() const { return function_->getArg(static_cast<unsigned>(function_->arg_size()) - 1); }

  Value* load(llvm::Type* type, Value* address) { return ir_.CreateAlignedLoad(type, address, llvm::Align(4)); }

  /// `lanes` elements of a factor from `address` on, or those of them that `mask` names and zeros.
  Value* read(DType dtype, Value* address, int lanes, Value* mask = nullptr) {
    llvm::Type* type = with_lanes(memory_element(ir_.getContext(), dtype), lanes);
    const llvm::Align align(static_cast<uint64_t>(info(dtype).bytes));
    Value* bits = nullptr;
    if (mask)
      bits = ir_.CreateMaskedLoad(type, address, align, mask, llvm::Constant::getNullValue(type));
    else
      bits = ir_.CreateAlignedLoad(type, address, align);
    return from_memory(code_, bits, dtype);
  }
  Value* left_at(Value* base, Value* offset) { return moved(base, shape_.left, offset); }
  Value* right_at(Value* base, Value* offset) { return moved(base, shape_.right, offset); }

  /// Positions 0, step, 2 * step ... below `end`, which is above 0; carried values go round and come out.
  Values along(Value* end, int64_t step, const Values& start,
               const std::function<Values(Value*, const Values&)>& body) {
    BasicBlock *before = ir_.GetInsertBlock(), *head = add_block("depth"), *after = add_block("after");
    ir_.CreateBr(head);
    ir_.SetInsertPoint(head);
    llvm::PHINode* position = ir_.CreatePHI(ir_.getInt64Ty(), 2);
    position->addIncoming(number(0), before);
    Values carried;
    for (Value* value : start) {
      llvm::PHINode* phi = ir_.CreatePHI(value->getType(), 2);
      phi->addIncoming(value, before);
      carried.push_back(phi);
    }
    const Values next = body(position, carried);
    Value* moved = ir_.CreateAdd(position, number(step));
    position->addIncoming(moved, ir_.GetInsertBlock());
    for (size_t i = 0; i < next.size(); ++i)
      llvm::cast<llvm::PHINode>(carried[i])->addIncoming(next[i], ir_.GetInsertBlock());
    ir_.CreateCondBr(ir_.CreateICmpSLT(moved, end), head, after);
    ir_.SetInsertPoint(after);
    return next;
  }

  /// `then()` where `condition` holds, else `otherwise`.
  Values choose(Value* condition, const std::function<Values()>& then, const Values& otherwise) {
    BasicBlock *before = ir_.GetInsertBlock(), *some = add_block("some"), *after = add_block("either");
    ir_.CreateCondBr(condition, some, after);
    ir_.SetInsertPoint(some);
    const Values made = then();
    BasicBlock* last = ir_.GetInsertBlock();
    ir_.CreateBr(after);
    ir_.SetInsertPoint(after);
    Values merged;
    for (size_t i = 0; i < made.size(); ++i) {
      llvm::PHINode* phi = ir_.CreatePHI(made[i]->getType(), 2);
      phi->addIncoming(made[i], last);
      phi->addIncoming(otherwise[i], before);
      merged.push_back(phi);
    }
    return merged;
  }

  Values zeros() const {
    const int columns = shape_.along_depth ? shape_.columns : shape_.columns / lanes_;
    return Values(static_cast<size_t>(shape_.rows * columns), llvm::Constant::getNullValue(vector_));
  }

  void along_columns() {
    const int vectors = shape_.columns / lanes_;
    auto place = [&](int i) { return floats(result(), i / vectors * shape_.result_row + i % vectors * lanes_); };
    Values start = choose(
        more(),
        [&] {
          Values sums;
          for (int i = 0; i < shape_.rows * vectors; ++i) sums.push_back(load(vector_, place(i)));
          return sums;
        },
        zeros());
    // Addresses are carried too: to compute them would take turns from the multiplications.
    const size_t count = start.size();
    start.push_back(right());
    if (shape_.ahead > 0) start.push_back(ahead());
    const Values sums = along(depth(), 1, start, [&](Value* k, const Values& carried) {
      Value* to_left = shape_.jumps ? load(ir_.getInt64Ty(), ir_.CreateGEP(ir_.getInt64Ty(), jumps(), k))
                                    : times(k, shape_.left_depth);
      Value *a = left_at(left(), to_left), *b = carried[count];
      Values columns, next;
      for (int line = 0; line < shape_.ahead; ++line)
        prefetch(ir_.CreateGEP(ir_.getInt8Ty(), carried.back(), number(kLine * line)), Cache::Second);
      if (shape_.asks_for_left) ask_for_left(k);
      for (int j = 0; j < vectors; ++j) columns.push_back(read(shape_.right, right_at(b, number(j * lanes_)), lanes_));
      for (int i = 0; i < shape_.rows * vectors; ++i) {
        if (i % vectors == 0)
          row_ = splat(code_, read(shape_.left, left_at(a, number(i / vectors * shape_.left_row)), 1), lanes_);
        next.push_back(fma(code_, row_, columns[i % vectors], carried[i]));
      }
      next.push_back(right_at(b, number(shape_.right_depth)));
      if (shape_.ahead > 0) next.push_back(ir_.CreateGEP(ir_.getInt8Ty(), carried.back(), step_ahead()));
      return next;
    });
    for (int i = 0; i < shape_.rows * vectors; ++i) ir_.CreateAlignedStore(sums[i], place(i), llvm::Align(4));
  }

  /// The left factor's lines of the tiles below, row by row.
  void ask_for_left(Value* k) {
    const int64_t lines = kTilePart * info(shape_.left).bytes / kLine;
    Value *line = ir_.CreateAnd(k, number(lines - 1)), *row = ir_.CreateUDiv(k, number(lines));
    Value* below = left_at(left(), number(shape_.rows * shape_.left_row));
    prefetch(left_at(left_at(below, times(row, shape_.left_row)), times(line, kLine / info(shape_.left).bytes)),
             Cache::First);
  }

  /// One vector of the depth from `k` on.
  Values step(Value* k, const Values& carried, Value* mask) {
    Values columns, next;
    for (int j = 0; j < shape_.columns; ++j) {
      Value* column = right_at(right_at(right(), k), number(j * shape_.right_column));
      if (!mask && shape_.rows > 1)
        prefetch(right_at(column, number(shape_.columns * shape_.right_column)), Cache::Second);
      columns.push_back(read(shape_.right, column, lanes_, mask));
    }
    for (int i = 0; i < shape_.rows; ++i) {
      Value* row = read(shape_.left, left_at(left_at(left(), k), number(i * shape_.left_row)), lanes_, mask);
      for (int j = 0; j < shape_.columns; ++j)
        next.push_back(fma(code_, row, columns[j], carried[i * shape_.columns + j]));
    }
    return next;
  }

  void along_depth() {
    const int64_t rest = shape_.depth % lanes_;
    Values sums = zeros();
    if (shape_.depth >= lanes_) {
      Value* whole = ir_.CreateAnd(depth(), number(-lanes_));
      const auto steps = [&] {
        return along(whole, lanes_, zeros(),
                     [&](Value* k, const Values& carried) { return step(k, carried, nullptr); });
      };
      sums = rest == 0 ? steps() : choose(ir_.CreateICmpNE(whole, number(0)), steps, zeros());
    }
    if (rest != 0) {
      llvm::SmallVector<llvm::Constant*, 16> used;
      for (int lane = 0; lane < lanes_; ++lane) used.push_back(ir_.getInt1(lane < rest));
      Value* mask = llvm::ConstantVector::get(used);
      Value* left_over = ir_.CreateICmpNE(ir_.CreateAnd(depth(), number(lanes_ - 1)), number(0));
      const Values before = sums;
      sums = choose(left_over, [&] { return step(ir_.CreateAnd(depth(), number(-lanes_)), before, mask); }, before);
    }
    for (int i = 0; i < shape_.rows; ++i) {
      Values row(sums.begin() + i * shape_.columns, sums.begin() + (i + 1) * shape_.columns);
      Value *made = across(row), *place = floats(result(), i * shape_.result_row);
      Value* together = ir_.CreateFAdd(load(made->getType(), place), made);
      ir_.CreateAlignedStore(ir_.CreateSelect(more(), together, made), place, llvm::Align(4));
    }
  }

  /// The sum of each vector's lanes, as lanes 0, 1, ... of one vector: 1, 2 or 4 lanes for up to as many vectors.
  Value* across(Values vectors) {
    if (vectors.size() == 3) vectors.push_back(llvm::Constant::getNullValue(vector_));
    const int count = static_cast<int>(vectors.size());
    // Neighbours are added while two vectors become one, so that each keeps lanes of its own.
    for (unsigned apart = 1; vectors.size() > 1; apart *= 2) {
      Values halved;
      for (size_t v = 0; v < vectors.size(); v += 2) {
        llvm::SmallVector<int, 16> low, high;
        for (int lane = 0; lane < lanes_; ++lane) {
          const int span = static_cast<int>(apart), group = lane / (2 * span) * (2 * span), in = lane % (2 * span);
          const int from = (in < span ? 0 : lanes_) + group + in % span;
          low.push_back(from);
          high.push_back(from + span);
        }
        halved.push_back(ir_.CreateFAdd(ir_.CreateShuffleVector(vectors[v], vectors[v + 1], low),
                                        ir_.CreateShuffleVector(vectors[v], vectors[v + 1], high)));
      }
      vectors = std::move(halved);
    }
    Value* all = vectors[0];
    for (int lanes = lanes_; lanes > count; lanes /= 2)
      all = ir_.CreateFAdd(slice(code_, all, 0, lanes / 2), slice(code_, all, lanes / 2, lanes / 2));
    return all;
  }

  Code code_;
  const TileShape& shape_;
  const int lanes_;
  llvm::Type* vector_;
  Value* row_ = nullptr;
};

}  // namespace

llvm::Function* emit_tile(llvm::Module& module, const TileShape& shape, const std::string& name, const Isa& isa) {
  return TileEmitter(module, shape, isa).run(name);
}

}  // namespace braze::cpu
