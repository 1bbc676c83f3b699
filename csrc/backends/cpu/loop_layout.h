// Where each instruction of a kernel runs: at which depth of the loop nest, after which pass over the reduce axes, in
// lanes or not.
//
// Levels of the nest, outermost first: 0 the whole call; 1 the outer parallel axes together; then one level an axis:
//   Points   (nothing is reduced)             2: the last parallel axis, in lanes
//   Columns  (lanes are parallel points)      2: the last parallel axis, in lanes; 3...: the reduce axes
//   Rows     (lanes lie along a reduced axis) 1: all parallel axes; 2...: the reduce axes, the last in lanes
// A pass is one run through the reduce axes. A reduce of something that needs no other reduce happens in pass 0, its
// users can be computed after it, what reduces them happens in pass 1, and so on. All elements are stored in one pass,
// the first that can, because a written buffer may be the memory of a read one. What several passes need is computed
// again, or, when dear, put aside on the stack.
//
// An extent that is a size parameter counts as long and as no multiple of anything. What is put aside needs memory of
// a known size, so rows of unknown length have it only up to `most_reduce_points`; for longer ones there is the layout
// that puts nothing aside.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/size_params.h"
#include "target.h"

namespace braze::cpu {

constexpr int64_t kCacheLine = 64;        // bytes
constexpr int64_t kPrefetchBytes = 2048;  // how far ahead of a stream memory is asked for
constexpr int64_t kPrefetchRows = 16;     // the same where a stream goes down a column

struct LoopLayout {
  /// What a layout may use.
  struct Means {
    bool puts_aside = true, streams = true;
  };
  LoopLayout(const Kernel& kernel, const Isa& isa) : LoopLayout(kernel, isa, Means{}) {}
  LoopLayout(const Kernel& kernel, const Isa& isa, Means means);

  enum class Shape { Points, Columns, Rows };

  Kernel kernel;  // with at least one parallel axis
  Shape shape = Shape::Points;
  int lanes = 1;
  int outer_axes = 0;   // parallel axes of level 1
  int lane_axis = 0;    // the axis lanes lie along
  int point_level = 0;  // where the values of one parallel point (or of lanes of them) live
  int levels = 0;
  bool masked_tail = false;  // a last, partial vector of parallel points is masked (else scalar code)

  std::vector<int> level;    // of each instruction
  std::vector<int> ready;    // passes that must have run before it
  std::vector<bool> varies;  // from lane to lane
  std::vector<bool> spread;  // one value for all lanes, used in lanes

  int passes = 0;
  int store_pass = -1;                    // the pass in which elements are stored
  std::vector<std::vector<bool>> needed;  // [pass][instruction]: used there and deeper than point_level
  std::vector<int> kept_from;             // the pass that puts the value aside on the stack; -1: none
  std::vector<int> unroll;                // [pass]
  int point_unroll = 1;                   // Points, Columns: vectors of parallel points a turn
  bool single_copy = false;  // Points, Columns: so long that it is written once, masked, for full vectors too

  // The stores of more than the caches hold, which go past them: memory is written without being read first, and what
  // will be read again stays. Each begins at a line of the cache as long as the kernel's params and chunks do.
  std::vector<bool> streams;

  // The loads of more than the caches hold, whose memory is asked for ahead of its use: in Rows that of the next row,
  // while the second pass works on this one (the first pass would wait for it); in Points what lies some lines further
  // on, because the processor's own prefetchers stop at the end of a page and come too late where much is computed; in
  // Columns, where each row is in another page, some rows further on.
  std::vector<bool> prefetches;

  // Points: the parallel axis along which some loads are contiguous that are not so along the lanes; square tiles of
  // the two axes are transposed on the stack. -1: none.
  int tile_axis = -1;
  int tile_vectors = 1;  // of each row of a tile: enough for a line of the cache
  int tile_side() const { return lanes * tile_vectors; }
  std::vector<bool> transposed;  // the loads that go through tiles

  int level_of_axis(int axis) const;
  bool is_element_store(const Instr& in) const {
    return in.kind == InstrKind::Store && shape != Shape::Points && !in.row;
  }
  int64_t lane_extent() const { return kernel.axes[lane_axis]; }
  /// The lane extent is this or more, as far as is known; a size parameter is.
  bool lane_extent_reaches(int64_t least) const { return is_size_param(lane_extent()) || lane_extent() >= least; }
  /// An instruction's address or number moves along an axis.
  bool moves(const Instr& in, size_t axis) const { return in.strides[axis] != 0 && kernel.axes[axis] != 1; }
  /// Points, Columns: there is one stretch of the last parallel axis.
  bool is_flat() const;
  bool keeps_values() const;
  bool has_streams() const;
  bool has_known_reduce_points() const;
  /// The reduce points there is memory for in what is put aside; only where their number is not known.
  int64_t most_reduce_points() const;

 private:
  Means means_;

  void choose_shape();
  void choose_lanes(const Isa& isa);
  void place_instructions();
  void plan_passes();
  void choose_unrolls(const Isa& isa);
  int widest_stretch(const Isa& isa) const;
  void choose_tiles();
  void choose_streams(const Isa& isa);
  bool may_stream(const Instr& store) const;
  bool may_prefetch(size_t load) const;
  int64_t bytes_moved(const Instr& in) const;

  std::vector<bool> closure(int pass) const;
  bool keep_dear_values(int pass);
  int64_t bytes_aside(size_t instr) const;
  int cost(const Instr& in) const;
  int cost_of(const std::vector<bool>& set) const;
};

}  // namespace braze::cpu
