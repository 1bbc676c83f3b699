// The loops of a convolution channel by channel.
//
//   lines
//     blocks of rows (the sums of all channels stay in the first cache)
//       tiles of some rows
//         vectors of channels: the sums of the tile's rows, in registers, while the window is walked over line by line;
//           what two rows read in common is loaded once
//       the rest of the kernel
#include "emit_depthwise.h"

#include <algorithm>
#include <map>

#include "emit_convert.h"
#include "kernel_emitter.h"
#include "schedule/product_form.h"
#include "sums_rest.h"

namespace braze::cpu {
namespace {

constexpr int64_t kMostRows = 8;        // of a tile
constexpr int64_t kSumsOfBlock = 4096;  // or those of one tile

class DepthwiseEmitter : KernelEmitter {
 public:
  DepthwiseEmitter(llvm::Module& module, const Kernel& kernel, const DepthwiseForm& form, const std::string& name,
                   const Isa& isa, bool fast_math)
      : KernelEmitter(module, kernel, name, isa, fast_math),
        form_(form),
        code_{ir_, isa},
        lanes_(isa.vector_bits / 32),
        apart_((form.channels + lanes_ - 1) / lanes_ * lanes_) {
    const int64_t tiles = (form.rows + kMostRows - 1) / kMostRows;
    tile_ = (form.rows + tiles - 1) / tiles;
    block_ = std::min(form.rows, std::max<int64_t>(1, kSumsOfBlock / apart_ / tile_) * tile_);
  }

  void run() {
    const Kernel rest = rest_of_sums(kernel_, form_.row_axis, form_.channel_axis, block_, form_.channels, apart_);
    rest_ = add_part(rest, name_ + ".rest");
    whole_tile_ = make_tile(tile_);
    if (form_.rows % tile_ != 0) last_tile_ = make_tile(form_.rows % tile_);
    enter_kernel();
    sums_ = on_stack(ir_.getFloatTy(), block_ * apart_);
    pointers_ = on_stack(ir_.getPtrTy(), static_cast<int64_t>(rest.params.size()));
    loop(ir_.CreateUDiv(begin(), number(form_.unit())), ir_.CreateUDiv(end(), number(form_.unit())), 1,
         [&](Value* line) {
           loop(number(0), number(form_.rows), block_, [&](Value* row) { block_of_rows(line, row); });
         });
    ir_.CreateRet(number(0));
  }

 private:
  /// A place of the window that some row of a tile reads at an offset.
  struct Product {
    int64_t row, weight;
  };
  using Products = std::map<int64_t, std::vector<Product>>;  // by the offset in the left factor

  int64_t stride_of_rows(int instr) const {
    return form_.row_axis < 0 ? 0 : kernel_.body[instr].strides[form_.row_axis];
  }

  /// What the rows of a tile multiply, for each line of the window.
  std::vector<Products> products(int64_t rows) const {
    const Instr &left = kernel_.body[form_.left], &right = kernel_.body[form_.right];
    const int64_t along = kernel_.axes.back(), points = kernel_.reduce_points();
    std::vector<Products> lines(points / along);
    for (int64_t point = 0; point < points; ++point) {
      int64_t left_over = point, from = 0, weight = 0;
      for (size_t a = kernel_.axes.size(); a-- > static_cast<size_t>(kernel_.parallel_axes());) {
        const int64_t position = left_over % kernel_.axes[a];
        left_over /= kernel_.axes[a];
        from += position * left.strides[a];
        weight += position * right.strides[a];
      }
      for (int64_t row = 0; row < rows; ++row)
        lines[point / along][from + row * stride_of_rows(form_.left)].push_back({row, weight});
    }
    return lines;
  }

  Value* load(Value* base, Value* channel, int64_t offset, Value* mask) {
    llvm::Type* vector = with_lanes(ir_.getFloatTy(), lanes_);
    Value* address = floats(base, ir_.CreateAdd(channel, number(offset)));
    if (!mask) return ir_.CreateAlignedLoad(vector, address, llvm::Align(4));
    return ir_.CreateMaskedLoad(vector, address, llvm::Align(4), mask, llvm::Constant::getNullValue(vector));
  }

  /// void(left, right, sums): the sums of some rows, of all channels.
  llvm::Function* make_tile(int64_t rows) {
    llvm::Type* pointer = ir_.getPtrTy();
    llvm::Function* tile =
        add_function(module_, name_ + "." + std::to_string(rows), isa_, {pointer, pointer, pointer}, ir_.getVoidTy());
    enter(tile);
    const std::vector<Products> lines = products(rows);
    const int64_t whole = form_.channels / lanes_ * lanes_;
    loop(number(0), number(whole), lanes_, [&](Value* channel) { vector_of_sums(lines, rows, channel, nullptr); });
    if (whole < form_.channels) {
      llvm::SmallVector<llvm::Constant*, 16> used;
      for (int lane = 0; lane < lanes_; ++lane) used.push_back(ir_.getInt1(whole + lane < form_.channels));
      vector_of_sums(lines, rows, number(whole), llvm::ConstantVector::get(used));
    }
    ir_.CreateRetVoid();
    return tile;
  }

  void vector_of_sums(const std::vector<Products>& lines, int64_t rows, Value* channel, Value* mask) {
    Value *left = function_->getArg(0), *right = function_->getArg(1), *result = function_->getArg(2);
    std::vector<Value*> sums(static_cast<size_t>(rows),
                             llvm::Constant::getNullValue(with_lanes(ir_.getFloatTy(), lanes_)));
    for (const Products& line : lines) {
      std::map<int64_t, Value*> weights;
      for (const auto& [offset, products] : line) {
        Value* read = load(left, channel, offset, mask);
        for (const Product& product : products) {
          Value*& weight = weights[product.weight];
          if (!weight) weight = load(right, channel, product.weight, mask);
          sums[product.row] = fma(code_, read, weight, sums[product.row]);
        }
      }
    }
    for (int64_t row = 0; row < rows; ++row)
      ir_.CreateAlignedStore(sums[row], floats(result, ir_.CreateAdd(channel, number(row * apart_))), llvm::Align(4));
  }

  /// Where an instruction reads or writes at the first channel of a row.
  Value* address(int instr, Value* line, Value* row) {
    const Instr& in = kernel_.body[instr];
    Value* offset = number(in.offset);
    auto move = [&](Value* position, int axis) {
      if (in.strides[axis] != 0) offset = ir_.CreateAdd(offset, times(position, in.strides[axis]));
    };
    if (form_.row_axis >= 0) move(row, form_.row_axis);
    for (int a = form_.row_axis; a-- > 0;) {
      move(ir_.CreateURem(line, number(kernel_.axes[a])), a);
      line = ir_.CreateUDiv(line, number(kernel_.axes[a]));
    }
    return moved(params_[in.param], in.dtype, offset);
  }

  void block_of_rows(Value* line, Value* first) {
    Value* rows = least(number(block_), ir_.CreateSub(number(form_.rows), first));
    Value *left = address(form_.left, line, first), *right = address(form_.right, line, first);
    auto tile = [&](llvm::Function* function, Value* row) {
      ir_.CreateCall(function,
                     {floats(left, times(row, stride_of_rows(form_.left))), right, floats(sums_, times(row, apart_))});
    };
    Value* whole = ir_.CreateSub(rows, ir_.CreateURem(rows, number(tile_)));
    loop(number(0), whole, tile_, [&](Value* row) { tile(whole_tile_, row); });
    if (last_tile_) when(ir_.CreateICmpSLT(whole, rows), [&] { tile(last_tile_, whole); });
    size_t place = 0;
    put_pointer(pointers_, place++, sums_);
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
      if (!is_of_factor(kernel_.body[i]) && kernel_.body[i].param >= 0)
        put_pointer(pointers_, place++, address(i, line, first));
    ir_.CreateCall(rest_, {pointers_, number(0), times(rows, form_.channels)});
  }

  const DepthwiseForm& form_;
  Code code_;
  const int lanes_;
  const int64_t apart_;  // floats between the sums of one row and those of the next
  int64_t tile_ = 1, block_ = 1;

  llvm::Function *rest_ = nullptr, *whole_tile_ = nullptr, *last_tile_ = nullptr;
  Value *sums_ = nullptr, *pointers_ = nullptr;
};

}  // namespace

void emit_depthwise(llvm::Module& module, const Kernel& kernel, const DepthwiseForm& form, const std::string& name,
                    const Isa& isa, bool fast_math) {
  DepthwiseEmitter(module, kernel, form, name, isa, fast_math).run();
}

}  // namespace braze::cpu
