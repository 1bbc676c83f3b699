// Loads that run across the lanes: square tiles of the last two parallel axes are read the way they lie in memory,
// turned in registers and left on the stack, from where the rows of the tile read them the way the lanes want them.
#include "emit_convert.h"
#include "emit_loops.h"

namespace braze::cpu {

using llvm::BasicBlock;
using llvm::Value;

/// As every_point; where enough whole rows lie ahead they go in tiles, else one stretch of a row at a time.
void LoopEmitter::every_tile(Value* begin, Value* end) {
  const int64_t height = layout_.lanes;
  Value *length = extent(layout_.lane_axis), *points_of_tile = ir_.CreateMul(length, number(height));
  Value* last_row = ir_.CreateSub(extent(layout_.tile_axis), number(height));
  if (is_size_param(layout_.lane_extent()))  // a tile's loops take at least one turn
    last_row = ir_.CreateSelect(ir_.CreateICmpSGE(length, number(layout_.lanes)), last_row, number(-1));
  Values carried = outer_positions(ir_.CreateUDiv(begin, length));
  carried.push_back(ir_.CreateURem(begin, length));  // where this stretch starts
  carried.push_back(ir_.CreateSub(end, begin));      // points left
  while_left(carried, [&](Values now) {
    Value *left = now.back(), *start = now[now.size() - 2];
    now.resize(now.size() - 2);
    auto* tile = BasicBlock::Create(ir_.getContext(), "tile", &function_);
    auto* stretch = BasicBlock::Create(ir_.getContext(), "row", &function_);
    auto* next = BasicBlock::Create(ir_.getContext(), "next", &function_);
    Value* room = ir_.CreateICmpSLE(now[layout_.tile_axis], last_row);
    Value* whole = ir_.CreateAnd(ir_.CreateICmpEQ(start, number(0)), ir_.CreateICmpSGE(left, points_of_tile));
    Value* fits = ir_.CreateAnd(room, whole);
    Value* wanted = ir_.CreateAdd(start, left);
    Value* stop = ir_.CreateSelect(ir_.CreateICmpSLT(wanted, length), wanted, length);
    ir_.CreateCondBr(fits, tile, stretch);

    ir_.SetInsertPoint(tile);
    tile_rows(now);
    ir_.CreateBr(next);
    ir_.SetInsertPoint(stretch);
    enter_outer(now);
    emit_level(1, 0);
    lanes_between(start, stop);
    ir_.CreateBr(next);

    ir_.SetInsertPoint(next);
    Values after = next_positions(now, ir_.CreateSelect(fits, number(height), number(1)));
    after.push_back(number(0));
    after.push_back(ir_.CreateSub(left, ir_.CreateSelect(fits, points_of_tile, ir_.CreateSub(stop, start))));
    return after;
  });
}

/// As many whole rows as there are lanes: tile by tile, then the columns that are left, row by row.
void LoopEmitter::tile_rows(const Values& positions) {
  const int64_t lanes = layout_.lanes;
  const bool known = !is_size_param(layout_.lane_extent());
  Value* length = extent(layout_.lane_axis);
  Value* full = ir_.CreateAnd(length, number(-lanes));
  auto every_row_of_tile = [&](const std::function<void(Value*)>& body) {
    loop(number(0), number(lanes), 1, {}, [&](Value* row, Values) {
      Values here = positions;
      here[layout_.tile_axis] = ir_.CreateAdd(here[layout_.tile_axis], row);
      enter_outer(here);
      emit_level(1, 0);
      body(row);
      return Values();
    });
  };
  loop(number(0), full, lanes, {}, [&](Value* column, Values) {
    enter_outer(positions);
    enter(layout_.point_level, std::pair(layout_.lane_axis, column));
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
      if (layout_.transposed[i]) transpose_tile(i);
    every_row_of_tile([&](Value* row) {
      tile_row_ = row;
      point(column, static_cast<int>(lanes), 1, nullptr);
      tile_row_ = nullptr;
    });
    return Values();
  });
  if (!known || layout_.lane_extent() % lanes != 0) every_row_of_tile([&](Value*) { lanes_between(full, length); });
}

/// Fills the stack memory of a load with its tile, square block by square block.
void LoopEmitter::transpose_tile(int i) {
  const Instr& in = kernel_.body[i];
  const int lanes = layout_.lanes, side = std::min(lanes, 8);  // larger blocks are no faster and take long to compile
  llvm::Type* element = memory_element(ir_.getContext(), in.dtype);
  llvm::Type* type = with_lanes(element, side);
  const llvm::Align align(static_cast<uint64_t>(info(in.dtype).bytes));
  Value* stride = amount(in.strides[layout_.lane_axis]);
  Value* start = bases_[level_][i];
  loop(number(0), number(lanes), side, {}, [&](Value* column, Values) {
    Value* from_column = ir_.CreateGEP(element, start, ir_.CreateMul(column, stride));
    Value* to_column = ir_.CreateGEP(element, tiles_[i], column);
    loop(number(0), number(lanes), side, {}, [&](Value* row, Values) {
      Value* from = ir_.CreateGEP(element, from_column, row);
      Value* to = ir_.CreateGEP(element, to_column, ir_.CreateMul(row, number(lanes)));
      Values block;
      for (int k = 0; k < side; ++k)
        block.push_back(
            ir_.CreateAlignedLoad(type, ir_.CreateGEP(element, from, ir_.CreateMul(number(k), stride)), align));
      transpose(block);
      for (int k = 0; k < side; ++k)
        ir_.CreateAlignedStore(block[k], ir_.CreateGEP(element, to, number(k * lanes)), align);
      return Values();
    });
    return Values();
  });
}

/// Exchanges, at distances n/2, n/4, ... 1, the off-diagonal squares.
void LoopEmitter::transpose(Values& block) {
  const int side = static_cast<int>(block.size());
  for (int distance = side / 2; distance > 0; distance /= 2) {
    llvm::SmallVector<int, 16> low, high;
    for (int lane = 0; lane < side; ++lane) {
      low.push_back(lane & distance ? side + lane - distance : lane);
      high.push_back(lane & distance ? side + lane : lane + distance);
    }
    for (int row = 0; row < side; ++row) {
      if (row & distance) continue;
      Value *a = block[row], *b = block[row + distance];
      block[row] = ir_.CreateShuffleVector(a, b, low);
      block[row + distance] = ir_.CreateShuffleVector(a, b, high);
    }
  }
}

Value* LoopEmitter::tile_load(int i) {
  const Instr& in = kernel_.body[i];
  llvm::Type* element = memory_element(ir_.getContext(), in.dtype);
  Value* address = ir_.CreateGEP(element, tiles_[i], ir_.CreateMul(tile_row_, number(layout_.lanes)));
  const llvm::Align align(static_cast<uint64_t>(info(in.dtype).bytes));
  return from_memory(code_, ir_.CreateAlignedLoad(with_lanes(element, layout_.lanes), address, align), in.dtype);
}

}  // namespace braze::cpu
