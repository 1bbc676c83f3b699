// Loads that run across the lanes: square tiles of the last two parallel axes are read the way they lie in memory,
// turned in registers and left on the stack, from where the rows of the tile read them the way the lanes want them.
#include "emit_convert.h"
#include "emit_loops.h"
#include "emit_memory.h"

namespace braze::cpu {

using llvm::BasicBlock;
using llvm::Value;

constexpr int64_t kBandBytes = 256;  // of each row that is read

/// As every_point; where enough whole rows lie ahead they go in bands of tiles, else one stretch of a row at a time.
void LoopEmitter::every_tile(Value* begin, Value* end) {
  const int64_t height = layout_.tile_side();
  int64_t most = 1;
  for (size_t i = 0; i < kernel_.body.size(); ++i)
    if (layout_.transposed[i]) most = std::max(most, kBandBytes / (height * info(kernel_.body[i].dtype).bytes));
  Value *length = extent(layout_.lane_axis), *points_of_tiles = ir_.CreateMul(length, number(height));
  Values carried = outer_positions(ir_.CreateUDiv(begin, length));
  carried.push_back(ir_.CreateURem(begin, length));  // where this stretch starts
  carried.push_back(ir_.CreateSub(end, begin));      // points left
  while_left(carried, [&](Values now) {
    Value *left = now.back(), *start = now[now.size() - 2];
    now.resize(now.size() - 2);
    auto* tile = BasicBlock::Create(ir_.getContext(), "tile", &function_);
    auto* stretch = BasicBlock::Create(ir_.getContext(), "row", &function_);
    auto* next = BasicBlock::Create(ir_.getContext(), "next", &function_);
    auto least = [&](Value* a, Value* b) { return ir_.CreateSelect(ir_.CreateICmpSLT(a, b), a, b); };
    Value* room = ir_.CreateUDiv(ir_.CreateSub(extent(layout_.tile_axis), now[layout_.tile_axis]), number(height));
    Value* tiles = least(least(room, ir_.CreateUDiv(left, points_of_tiles)), number(most));
    Value* fits = ir_.CreateAnd(ir_.CreateICmpEQ(start, number(0)), ir_.CreateICmpSGT(tiles, number(0)));
    if (is_size_param(layout_.lane_extent()))  // the loops over a tile take at least one turn
      fits = ir_.CreateAnd(fits, ir_.CreateICmpSGE(length, number(height)));
    Value* wanted = ir_.CreateAdd(start, left);
    Value* stop = ir_.CreateSelect(ir_.CreateICmpSLT(wanted, length), wanted, length);
    ir_.CreateCondBr(fits, tile, stretch);

    ir_.SetInsertPoint(tile);
    band_of_tiles(now, tiles);
    ir_.CreateBr(next);
    ir_.SetInsertPoint(stretch);
    enter_outer(now);
    emit_level(1, 0);
    lanes_between(start, stop);
    ir_.CreateBr(next);

    ir_.SetInsertPoint(next);
    Value* rows = ir_.CreateSelect(fits, ir_.CreateMul(tiles, number(height)), number(1));
    Value* points = ir_.CreateSelect(fits, ir_.CreateMul(tiles, points_of_tiles), ir_.CreateSub(stop, start));
    Values after = next_positions(now, rows);
    after.push_back(number(0));
    after.push_back(ir_.CreateSub(left, points));
    return after;
  });
}

/// `tiles` times as many whole rows as a tile has: column of tiles by column, so that what is read lies in long
/// pieces, then the columns that are left, row by row.
void LoopEmitter::band_of_tiles(const Values& positions, Value* tiles) {
  const int64_t side = layout_.tile_side();
  const bool known = !is_size_param(layout_.lane_extent());
  Value* length = extent(layout_.lane_axis);
  Value* full = ir_.CreateAnd(length, number(-side));
  auto below = [&](Value* rows) {
    Values here = positions;
    here[layout_.tile_axis] = ir_.CreateAdd(here[layout_.tile_axis], rows);
    return here;
  };
  auto every_row = [&](Value* first, Value* count, const std::function<void(Value*)>& body) {
    loop(number(0), count, 1, {}, [&](Value* row, Values) {
      enter_outer(below(ir_.CreateAdd(first, row)));
      emit_level(1, 0);
      body(row);
      return Values();
    });
  };
  loop(number(0), full, side, {}, [&](Value* column, Values) {
    loop(number(0), tiles, 1, {}, [&](Value* tile, Values) {
      Value* first = ir_.CreateMul(tile, number(side));
      enter_outer(below(first));
      enter(layout_.point_level, std::pair(layout_.lane_axis, column));
      for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
        if (layout_.transposed[i]) transpose_tile(i);
      every_row(first, number(side), [&](Value* row) {
        tile_row_ = row;
        point(column, layout_.lanes, layout_.point_unroll, nullptr);
        tile_row_ = nullptr;
      });
      return Values();
    });
    return Values();
  });
  if (!known || layout_.lane_extent() % side != 0)
    every_row(number(0), ir_.CreateMul(tiles, number(side)), [&](Value*) { lanes_between(full, length); });
}

/// Fills the stack memory of a load with its tile, square block by square block.
void LoopEmitter::transpose_tile(int i) {
  const Instr& in = kernel_.body[i];
  const int tile = layout_.tile_side();
  const int side = std::min(layout_.lanes, 8);  // larger blocks are no faster and take long to compile
  llvm::Type* element = memory_element(ir_.getContext(), in.dtype);
  llvm::Type* type = with_lanes(element, side);
  const llvm::Align align(static_cast<uint64_t>(info(in.dtype).bytes));
  Value* stride = amount(in.strides[layout_.lane_axis]);
  Value* start = bases_[level_][i];
  loop(number(0), number(tile), side, {}, [&](Value* column, Values) {
    Value* from_column = ir_.CreateGEP(element, start, ir_.CreateMul(column, stride));
    Value* to_column = ir_.CreateGEP(element, tiles_[i], column);
    for (int k = 0; k < side && layout_.prefetches[i]; ++k)
      emit_prefetch(code_, in.dtype, from_column, (k + kPrefetchRows) * in.strides[layout_.lane_axis]);
    loop(number(0), number(tile), side, {}, [&](Value* row, Values) {
      Value* from = ir_.CreateGEP(element, from_column, row);
      Value* to = ir_.CreateGEP(element, to_column, ir_.CreateMul(row, number(tile)));
      Values block;
      for (int k = 0; k < side; ++k)
        block.push_back(
            ir_.CreateAlignedLoad(type, ir_.CreateGEP(element, from, ir_.CreateMul(number(k), stride)), align));
      transpose(block);
      for (int k = 0; k < side; ++k)
        ir_.CreateAlignedStore(block[k], ir_.CreateGEP(element, to, number(k * tile)), align);
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

Value* LoopEmitter::tile_load(int i, int copy) {
  const Instr& in = kernel_.body[i];
  llvm::Type* element = memory_element(ir_.getContext(), in.dtype);
  Value* row = ir_.CreateMul(tile_row_, number(layout_.tile_side()));
  Value* address = ir_.CreateGEP(element, tiles_[i], ir_.CreateAdd(row, number(copy * lanes_)));
  const llvm::Align align(static_cast<uint64_t>(info(in.dtype).bytes));
  return from_memory(code_, ir_.CreateAlignedLoad(with_lanes(element, lanes_), address, align), in.dtype);
}

}  // namespace braze::cpu
