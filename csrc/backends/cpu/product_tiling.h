// How a product of matrices is cut: into panels of columns, parts of the depth, tiles; and what is packed.
#pragma once

#include "product_tile.h"
#include "schedule/product_form.h"
#include "target.h"

namespace braze::cpu {

struct Tiling {
  Tiling(const Kernel& kernel, const ProductForm& form, const Isa& isa);

  TileShape tile;
  int lanes = 1;
  bool packs = false;
  bool in_place = false;                  // rows of the right factor are read where they lie, panels are wide
  int64_t panel = kPanelColumns;          // columns of one, at most
  int64_t part = 1, block = 1;            // the block's rows, of each of its lines
  int64_t block_lines = 1;                // above 1 where a block holds whole lines
  int64_t next_lines = 0, next_step = 0;  // of the right factor's next part: lines side by side, bytes to the others
  int64_t next_panel = 0;                 // elements of the right factor to the panel that comes next

 private:
  void cut_along_depth(const ProductForm& form, const Isa& isa);
  void cut_in_place(const ProductForm& form, int64_t most, const Isa& isa);
  void cut_to_pack(const Kernel& kernel, const ProductForm& form, const Isa& isa);
  void share_rows(int64_t rows, int64_t most);
  void look_ahead(int64_t lines, int64_t step, int64_t tiles);
};

}  // namespace braze::cpu
