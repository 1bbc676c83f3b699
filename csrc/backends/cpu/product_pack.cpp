// A vector's worth of columns is turned 16 steps of the depth at a time. Four elements of a column are one load; those
// of columns r, r + 4, r + 8, ... make a vector, and four such vectors (r = 0 ... 3) hold 4x4 blocks that are turned
// where they are. A column's 16 elements are loaded one after the other: columns are often a multiple of 4096 bytes
// apart, so that their lines push each other out of the cache.
#include "product_pack.h"

#include <vector>

#include "code.h"
#include "emit_convert.h"
#include "function_emitter.h"
#include "schedule/product_form.h"

namespace braze::cpu {
namespace {

using llvm::Value;

constexpr int kSteps = 16, kBlock = 4;

class PackEmitter : FunctionEmitter {
 public:
  PackEmitter(llvm::Module& module, DType dtype, int64_t apart, const Isa& isa)
      : FunctionEmitter(module, isa),
        code_{ir_, isa},
        dtype_(dtype),
        apart_(apart),
        lanes_(isa.vector_bits / 32),
        piece_(with_lanes(memory_element(ir_.getContext(), dtype), kBlock)) {}

  llvm::Function* run(const std::string& name, int64_t width, int64_t depth_rest) {
    llvm::Type* pointer = ir_.getPtrTy();
    enter(add_function(module_, name, isa_, {pointer, pointer, ir_.getInt64Ty()}, ir_.getVoidTy()));
    Value *from = function_->getArg(0), *to = function_->getArg(1), *depth = function_->getArg(2);
    const int64_t whole = width / lanes_ * lanes_;
    Value* full = ir_.CreateAnd(depth, number(-kSteps));
    auto columns_from = [&](Value* column, int64_t count) {
      Value *source = moved(from, dtype_, times(column, apart_)), *target = floats(to, column);
      loop(number(0), full, kSteps, [&](Value* k) { turn(source, target, k, count, kSteps); });
      if (depth_rest == 0) return;
      when(ir_.CreateICmpSLT(full, depth), [&] { turn(source, target, full, count, depth_rest); });
    };
    if (whole > 0) loop(number(0), number(whole), lanes_, [&](Value* column) { columns_from(column, lanes_); });
    if (whole < width) columns_from(number(whole), width - whole);
    ir_.CreateRetVoid();
    return function_;
  }

 private:
  /// Four elements of a column, of which the first `used` exist.
  Value* piece(Value* address, int64_t used) {
    const llvm::Align align(static_cast<uint64_t>(info(dtype_).bytes));
    if (used >= kBlock) return ir_.CreateAlignedLoad(piece_, address, align);
    llvm::SmallVector<llvm::Constant*, kBlock> mask;
    for (int lane = 0; lane < kBlock; ++lane) mask.push_back(ir_.getInt1(lane < used));
    return ir_.CreateMaskedLoad(piece_, address, align, llvm::ConstantVector::get(mask),
                                llvm::Constant::getNullValue(piece_));
  }

  /// `count` columns and `steps` steps of the depth from `k` on.
  void turn(Value* source, Value* target, Value* k, int64_t count, int64_t steps) {
    const int pieces = static_cast<int>((steps + kBlock - 1) / kBlock), blocks = lanes_ / kBlock;
    std::vector<std::vector<Value*>> parts(static_cast<size_t>(pieces * kBlock));  // by piece and r: block by block
    for (int column = 0; column < lanes_; ++column) {
      Value* start = moved(moved(source, dtype_, k), dtype_, number(std::min<int64_t>(column, count - 1) * apart_));
      for (int p = 0; p < pieces; ++p)
        parts[p * kBlock + column % kBlock].push_back(
            piece(moved(start, dtype_, number(p * kBlock)), steps - p * kBlock));
    }
    for (int p = 0; p < pieces; ++p) {
      std::vector<Value*> rows;
      for (int r = 0; r < kBlock; ++r)
        rows.push_back(from_memory(code_, concatenate(code_, parts[p * kBlock + r]), dtype_));
      auto pick = [&](Value* a, Value* b, int first, int second, bool from_both) {
        llvm::SmallVector<int, 16> lanes;
        for (int block = 0; block < blocks; ++block)
          for (int i = 0; i < kBlock; ++i) {
            const int half = from_both ? i % 2 : i / 2, lane = (from_both ? i / 2 : i % 2) ? second : first;
            lanes.push_back(block * kBlock + lane + (half ? lanes_ : 0));
          }
        return ir_.CreateShuffleVector(a, b, lanes);
      };
      Value *low01 = pick(rows[0], rows[1], 0, 1, true), *high01 = pick(rows[0], rows[1], 2, 3, true);
      Value *low23 = pick(rows[2], rows[3], 0, 1, true), *high23 = pick(rows[2], rows[3], 2, 3, true);
      Value* turned[] = {pick(low01, low23, 0, 1, false), pick(low01, low23, 2, 3, false),
                         pick(high01, high23, 0, 1, false), pick(high01, high23, 2, 3, false)};
      for (int i = 0; i < kBlock && p * kBlock + i < steps; ++i) {
        Value* place = floats(target, times(ir_.CreateAdd(k, number(p * kBlock + i)), kPanelColumns));
        ir_.CreateAlignedStore(turned[i], place, llvm::Align(4));
      }
    }
  }

  Code code_;
  const DType dtype_;
  const int64_t apart_;
  const int lanes_;
  llvm::Type* piece_;
};

}  // namespace

llvm::Function* emit_transposing_pack(llvm::Module& module, DType dtype, int64_t width, int64_t apart,
                                      int64_t depth_rest, const std::string& name, const Isa& isa) {
  return PackEmitter(module, dtype, apart, isa).run(name, width, depth_rest);
}

}  // namespace braze::cpu
