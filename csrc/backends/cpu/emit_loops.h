// The loop nest of a kernel, with its instructions placed as LoopLayout says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "code.h"
#include "emit_reduce.h"
#include "loop_layout.h"

namespace braze::cpu {

class LoopEmitter {
 public:
  /// `rest`: a function of the same points that does those left over from whole turns, where the layout is flat; null:
  /// this one does.
  LoopEmitter(Code& code, const LoopLayout& layout, llvm::Function& function, llvm::Function* rest = nullptr);

  /// Fills the function.
  void run();

 private:
  using Values = std::vector<llvm::Value*>;
  using Accumulators = std::vector<Accumulator>;

  // The parallel axes (emit_points.cpp).
  void every_point(llvm::Value* begin, llvm::Value* end);
  void every_row(llvm::Value* begin, llvm::Value* end);
  void lanes_between(llvm::Value* begin, llvm::Value* end);
  void point(llvm::Value* position, int lanes, int unroll, llvm::Value* mask);
  void enter_outer(const Values& positions);
  Values outer_positions(llvm::Value* linear);
  Values next_positions(const Values& positions, llvm::Value* steps);
  llvm::Value* first_lanes(llvm::Value* count);

  // Square tiles of the last two parallel axes (emit_tiles.cpp).
  void every_tile(llvm::Value* begin, llvm::Value* end);
  void band_of_tiles(const Values& positions, llvm::Value* tiles);
  void transpose_tile(int instr);
  void transpose(Values& block);
  llvm::Value* tile_load(int instr, int copy);

  // The reduce axes (emit_passes.cpp).
  using Body = std::function<Accumulators(llvm::Value* position, const Accumulators& carried)>;
  void run_passes();
  Accumulators nest(int level, const Accumulators& accumulators);
  Accumulators lane_level(const Accumulators& accumulators);
  Accumulators innermost(const Accumulators& accumulators);
  Accumulators lanes_of_known_extent(const Accumulators& accumulators, int64_t extent);
  Accumulators lanes_of_any_extent(const Accumulators& accumulators, llvm::Value* extent);
  Body turn(int unroll, llvm::Value* mask);
  Accumulators blocked_loop(int64_t end, int64_t step, const Accumulators& start, const Body& body);
  Accumulators blocked_loop(llvm::Value* end, int64_t step, const Accumulators& start, const Body& body);
  Accumulators identities(int copies);
  Accumulators merge(const Accumulators& a, const Accumulators& b);
  Accumulators fold(Accumulators accumulators, int copies);
  void take_results(const Accumulators& accumulators);
  llvm::Value* reduce_position(const Reducer& reducer, int copy);
  Reducer reducer(int instr) const;
  bool in_rows() const { return layout_.shape == LoopLayout::Shape::Rows; }

  // One level of the nest, one instruction (emit_instr.cpp).
  void enter(int level, llvm::ArrayRef<std::pair<int, llvm::Value*>> positions);
  void emit_level(int level, int pass);
  void emit_instr(int instr, int pass);
  void emit_store(int instr);
  llvm::Value* compute(int instr, int copy, int lanes);
  llvm::Value* value(int instr, int copy, int lanes);
  llvm::Value* constant(const Instr& in, int lanes);
  llvm::Value* size_constant(const Instr& in);
  llvm::Value* base(int instr, int copy);
  llvm::Value* lane_stride(int instr);
  llvm::Value* kept_address(int instr, int copy);
  void prefetch_ahead(int instr, int copy);
  llvm::Value* share_of_sum(llvm::Value* part, int sum, int lanes);
  bool is_share_of_sum(const Instr& in) const;
  llvm::Value* gather(int instr, int copy, int lanes);
  llvm::Value* checked_offset(int instr, int copy, int lanes, llvm::Value* mask);
  bool index_is_uniform(const Instr& in) const;

  // Loops (emit_loops.cpp).
  /// for (i = begin; i < end; i += step): at least one turn; carried values go round and come out.
  Values loop(llvm::Value* begin, llvm::Value* end, int64_t step, Values carried,
              const std::function<Values(llvm::Value*, Values)>& body);
  Values loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, Values carried,
              const std::function<Values(llvm::Value*, Values)>& body);
  /// The same with maybe no turn.
  Values loop_or_not(llvm::Value* begin, llvm::Value* end, llvm::Value* step, Values carried,
                     const std::function<Values(llvm::Value*, Values)>& body);
  /// while (left > 0) with the values it carries, of which `left` is the last.
  void while_left(Values carried, const std::function<Values(Values)>& body);
  /// for (i = begin; i + needs <= end; i += step): maybe no turn; the i it stopped at.
  llvm::Value* while_fits(llvm::Value* begin, llvm::Value* end, int64_t step, int64_t needs,
                          const std::function<void(llvm::Value*)>& body);

  llvm::IntegerType* i64() { return code_.ir.getInt64Ty(); }
  llvm::Constant* number(int64_t n) { return code_.ir.getInt64(static_cast<uint64_t>(n)); }
  /// An integer of the kernel: a number, or what a size parameter is in this call.
  llvm::Value* amount(int64_t integer) {
    return is_size_param(integer) ? sizes_[size_param_position(integer)] : number(integer);
  }
  llvm::Value* extent(int axis) { return amount(kernel_.axes[axis]); }

  Code& code_;
  llvm::IRBuilder<>& ir_;
  const LoopLayout& layout_;
  const Kernel& kernel_;
  llvm::Function& function_;
  llvm::Function* rest_;

  // Where emission stands.
  int level_ = 0;
  int pass_ = 0;
  std::vector<int> reduces_;     // of this pass
  int lanes_ = 1;                // of values that vary
  int unroll_ = 1;               // copies of values that vary
  llvm::Value* mask_ = nullptr;  // lanes in use; null: all

  Values sizes_;                 // [size parameter]
  std::vector<Values> bases_;    // [level][instr]: address (Load, Gather, Store) or number (Index) from the axes so far
  Values linear_;                // [level]: row-major position among the reduce points so far
  Values uniform_, spread_;      // [instr]: values that do not vary, as a scalar and in lanes
  std::vector<Values> varying_;  // [copy][instr]
  Values offsets_;               // [instr]: of a gather whose indices do not vary
  Values kept_;                  // [instr]: stack memory of values put aside
  Values tiles_;                 // [instr]: stack memory of a transposed tile
  llvm::Value* tile_row_ = nullptr;  // the row of the tiles being worked on; null: not in a tile
};

/// Adds a function that runs a kernel's loops: i64(params and sizes, begin, end).
llvm::Function* add_loops(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa,
                          bool fast_math);

}  // namespace braze::cpu
