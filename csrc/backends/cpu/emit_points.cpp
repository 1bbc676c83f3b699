// The parallel axes: from the range [begin, end) of linear points to positions along each axis, and lanes along the
// last one.
#include "emit_loops.h"

namespace braze::cpu {

using llvm::BasicBlock;
using llvm::Value;

/// The positions along the outer parallel axes of row-major point `linear`.
LoopEmitter::Values LoopEmitter::outer_positions(Value* linear) {
  Values positions(layout_.outer_axes, nullptr);
  for (int axis = layout_.outer_axes; axis-- > 0;) {
    positions[axis] = axis == 0 ? linear : ir_.CreateURem(linear, extent(axis));
    if (axis > 0) linear = ir_.CreateUDiv(linear, extent(axis));
  }
  return positions;
}

/// `steps` points further along the last of the outer axes, at most to its end, with carries.
LoopEmitter::Values LoopEmitter::next_positions(const Values& positions, Value* steps) {
  Values next = positions;
  Value* carry = steps;
  for (int axis = layout_.outer_axes; axis-- > 0;) {
    next[axis] = ir_.CreateAdd(positions[axis], carry);
    if (axis == 0) break;
    Value* over = ir_.CreateICmpEQ(next[axis], extent(axis));
    next[axis] = ir_.CreateSelect(over, number(0), next[axis]);
    carry = ir_.CreateZExt(over, i64());
  }
  return next;
}

void LoopEmitter::enter_outer(const Values& positions) {
  llvm::SmallVector<std::pair<int, Value*>, 8> axes;
  for (int axis = 0; axis < layout_.outer_axes; ++axis) axes.push_back({axis, positions[axis]});
  enter(1, axes);
}

/// Rows: one parallel point a turn.
void LoopEmitter::every_row(Value* begin, Value* end) {
  loop(begin, end, 1, outer_positions(begin), [&](Value*, Values positions) {
    enter_outer(positions);
    run_passes();
    return next_positions(positions, number(1));
  });
}

/// Points and Columns: stretches along the last parallel axis, the first and the last of which may be parts.
void LoopEmitter::every_point(Value* begin, Value* end) {
  if (layout_.is_flat()) {
    enter_outer(Values(layout_.outer_axes, number(0)));
    emit_level(1, 0);
    lanes_between(begin, end);
    return;
  }
  if (layout_.tile_axis >= 0) return every_tile(begin, end);
  Value* row = extent(layout_.outer_axes);
  Value *outer = ir_.CreateUDiv(begin, row), *column = ir_.CreateURem(begin, row);
  Values carried = outer_positions(outer);
  carried.push_back(column);                     // where this stretch starts
  carried.push_back(ir_.CreateSub(end, begin));  // points left
  Value* last = ir_.CreateUDiv(ir_.CreateSub(end, number(1)), row);
  loop(outer, ir_.CreateAdd(last, number(1)), 1, carried, [&](Value*, Values now) {
    Value *left = now.back(), *start = now[now.size() - 2];
    now.resize(now.size() - 2);
    enter_outer(now);
    emit_level(1, 0);
    Value* wanted = ir_.CreateAdd(start, left);
    Value* stop = ir_.CreateSelect(ir_.CreateICmpSLT(wanted, row), wanted, row);
    lanes_between(start, stop);
    Values next = next_positions(now, number(1));
    next.push_back(number(0));
    next.push_back(ir_.CreateSub(left, ir_.CreateSub(stop, start)));
    return next;
  });
}

/// Points [begin, end) of the last parallel axis: turns of several vectors, then single ones, then what is left; or all
/// after the turns by another function.
void LoopEmitter::lanes_between(Value* begin, Value* end) {
  const int lanes = layout_.lanes, unroll = layout_.point_unroll;
  const int64_t wide = static_cast<int64_t>(lanes) * unroll;
  Value* at = begin;
  if (layout_.lane_extent_reaches(wide) && !layout_.single_copy)
    for (int copies = unroll; copies > 1 || copies == unroll; copies /= 4) {
      const int64_t points = static_cast<int64_t>(lanes) * copies;
      at = while_fits(at, end, points, points, [&](Value* i) { point(i, lanes, copies, nullptr); });
    }
  if (wide == 1) return;
  if (rest_) {
    Value* status = ir_.CreateCall(rest_, {function_.getArg(0), at, end});
    auto* after = BasicBlock::Create(ir_.getContext(), "finished", &function_);
    ir_.CreateCondBr(ir_.CreateIsNull(status), after, code_.fail);
    ir_.SetInsertPoint(after);
    return;
  }
  if (lanes > 1 && layout_.masked_tail) {
    while_fits(at, end, lanes, 1, [&](Value* i) { point(i, lanes, 1, first_lanes(ir_.CreateSub(end, i))); });
    return;
  }
  if (unroll > 1 && lanes > 1) at = while_fits(at, end, lanes, lanes, [&](Value* i) { point(i, lanes, 1, nullptr); });
  while_fits(at, end, 1, 1, [&](Value* i) { point(i, 1, 1, nullptr); });
}

/// A mask with the first `count` lanes set, or all when there are more.
Value* LoopEmitter::first_lanes(Value* count) {
  const int lanes = layout_.lanes;
  Value* most = number(lanes);
  Value* used = ir_.CreateSelect(ir_.CreateICmpSLT(count, most), count, most);
  if (!code_.isa.avx512) {
    llvm::Type* number_type = lanes <= 8 ? ir_.getInt32Ty() : ir_.getInt8Ty();
    return ir_.CreateICmpSLT(lane_numbers(number_type, lanes), splat(code_, ir_.CreateTrunc(used, number_type), lanes));
  }
  Value* bits = ir_.CreateLShr(number(-1), ir_.CreateSub(number(64), used));
  return ir_.CreateBitCast(ir_.CreateTrunc(bits, ir_.getIntNTy(lanes)), with_lanes(ir_.getInt1Ty(), lanes));
}

/// Everything for `unroll` vectors of points from `position` on.
void LoopEmitter::point(Value* position, int lanes, int unroll, Value* mask) {
  lanes_ = lanes, unroll_ = unroll, mask_ = mask;
  enter(layout_.point_level, std::pair(layout_.lane_axis, position));
  run_passes();
}

}  // namespace braze::cpu
