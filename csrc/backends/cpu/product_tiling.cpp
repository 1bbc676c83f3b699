// Three ways. With few rows, and columns that lie along the depth, vectors do too. With up to some tens of rows a right
// factor that lies row by row is read where it lies: to pack it would take as long as to multiply it. Its panels are as
// wide as their sums may be, for so much of a row is read in order, and its page is looked up once. Else it is packed,
// 64 columns at a time.
#include "product_tiling.h"

#include <algorithm>

namespace braze::cpu {
namespace {

constexpr int64_t kMostRows = 264;       // of a block
constexpr int64_t kAlongDepth = 1024;    // of a part, where vectors lie along it
constexpr int64_t kFewRows = 16;         // up to which they do
constexpr int64_t kMostInPlace = 128;    // rows
constexpr int64_t kForeseenRows = 4;     // up to which a prefetcher keeps up with them in place
constexpr int64_t kWidest = 1536;        // columns of a panel in place
constexpr int64_t kMostSums = 48 << 10;  // of such a panel
constexpr int64_t kUnpackedTiles = 8;    // of a convolution's block, up to which nothing is packed
constexpr int kTileColumnsAlongDepth = 4;
constexpr int64_t kMostAhead = 4;             // lines a tile asks for at each step of the depth
constexpr int64_t kStep = 3 * kPanelColumns;  // whole tiles, whether of three vectors or of four

/// As many rows as there are registers for, where a tile is so many vectors wide.
int64_t most_rows(int64_t vectors, const Isa& isa) {
  if (!isa.avx512) return vectors <= 1 ? 12 : 6;
  constexpr int64_t kRows[] = {14, 12, 8, 6};
  return kRows[std::clamp<int64_t>(vectors, 1, 4) - 1];
}

int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Tiling::Tiling(const Kernel& kernel, const ProductForm& form, const Isa& isa) : lanes(isa.vector_bits / 32) {
  const Instr &left = kernel.body[form.left], &right = kernel.body[form.right];
  tile.left_row = form.row_axis < 0 ? 0 : left.strides[form.row_axis];
  tile.left_depth = left.strides.back();
  tile.jumps = kernel.reduce_axes > 1;
  tile.right_depth = right.strides.back();
  tile.right_column = right.strides[form.column_axis];
  tile.depth = form.depth;
  tile.left = left.dtype;
  tile.right = right.dtype;
  tile.along_depth = !form.lined && form.rows <= kFewRows && tile.left_depth == 1 && tile.right_depth == 1;
  // A tile of three vectors has two rows more than one of four. What is widened as it is read is read once.
  const int64_t most = most_rows(std::min<int64_t>(form.columns / lanes, isa.avx512 ? 3 : 2), isa);
  in_place = !tile.along_depth && !form.lined && tile.right_column == 1 && form.columns % lanes == 0 &&
             form.rows <= (right.dtype == DType::f32 ? kMostInPlace : most);
  if (tile.along_depth)
    cut_along_depth(form, isa);
  else if (in_place)
    cut_in_place(form, most, isa);
  else
    cut_to_pack(kernel, form, isa);
}

void Tiling::cut_along_depth(const ProductForm& form, const Isa& isa) {
  share_rows(form.rows, isa.avx512 ? 6 : 2);
  tile.columns = kTileColumnsAlongDepth;
  part = std::min(form.depth, kAlongDepth);
}

void Tiling::cut_in_place(const ProductForm& form, int64_t most, const Isa& isa) {
  share_rows(form.rows, most);
  int64_t vectors = std::min<int64_t>(form.columns / lanes, isa.avx512 ? 4 : 2);
  while (tile.rows > most_rows(vectors, isa)) --vectors;
  tile.columns = static_cast<int>(vectors * lanes);
  panel = std::clamp(kMostSums / block / kStep * kStep, kStep, kWidest);
  part = std::min(form.depth, kTilePart);
  next_panel = panel;
  if (form.rows <= kForeseenRows) return;
  const int64_t bytes = info(tile.right).bytes;
  look_ahead(quotient_up(tile.columns * bytes, kLine), tile.right_depth * bytes, quotient_up(form.rows, tile.rows));
}

void Tiling::cut_to_pack(const Kernel& kernel, const ProductForm& form, const Isa& isa) {
  const Instr& right = kernel.body[form.right];
  const int64_t width = std::min(form.columns, kPanelColumns);
  share_rows(form.rows, most_rows(quotient_up(width, lanes), isa));
  tile.columns = lanes * (isa.avx512 ? 4 : 2);
  part = std::min(form.depth, kTilePart);
  block_lines = form.lined ? std::clamp<int64_t>(kMostRows / form.rows, 1, form.lines) : 1;
  const int64_t tiles = block_lines * quotient_up(form.rows, tile.rows);
  const bool is_packed = tile.right_depth <= kPanelColumns && right.dtype == DType::f32;
  const bool is_read_often = tiles > (right.dtype == DType::f32 ? kUnpackedTiles : 1);
  packs = tile.right_column != 1 || form.columns % lanes != 0 || (is_read_often && !is_packed);
  const int64_t bytes = info(right.dtype).bytes;
  next_panel = kPanelColumns * tile.right_column;
  if (kernel.axes[form.column_axis] == kPanelColumns && form.column_axis > 0)
    next_panel = right.strides[form.column_axis - 1];
  tile.asks_for_left = tile.left_depth == 1 && !tile.jumps;
  look_ahead(quotient_up((tile.right_column == 1 ? kPanelColumns : part) * bytes, kLine),
             std::max(tile.right_column, tile.right_depth) * bytes,
             std::max<int64_t>(1, block_lines * (block / tile.rows)));
}

/// Blocks and tiles of about equal rows; a block holds whole tiles.
void Tiling::share_rows(int64_t rows, int64_t most) {
  tile.rows = static_cast<int>(quotient_up(rows, quotient_up(rows, most)));
  const int64_t tiles = quotient_up(quotient_up(rows, quotient_up(rows, kMostRows)), tile.rows);
  block = std::min(rows, tiles * tile.rows);
}

/// What is read next, of which each of so many tiles asks for a share.
void Tiling::look_ahead(int64_t lines, int64_t step, int64_t tiles) {
  next_lines = lines;
  next_step = step;
  tile.ahead = static_cast<int>(std::min(kMostAhead, quotient_up(lines, tiles)));
}

}  // namespace braze::cpu
