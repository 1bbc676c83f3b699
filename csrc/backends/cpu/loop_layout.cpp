// Decides loop levels, passes, lanes and unrolling, by rules that look at each instruction a few times at most.
#include "loop_layout.h"

#include <algorithm>

#include "emit_memory.h"

namespace braze::cpu {
namespace {

constexpr int64_t kStackBytes = 64 * 1024;    // for values put aside between passes
constexpr int64_t kFewestPointsAside = 2048;  // of rows of unknown length
constexpr int64_t kStreamBytes = 16 << 20;    // moved by an access that the caches are of no use to
constexpr int64_t kNarrowestStream = 16;      // bytes of a vector that can go past them
constexpr int kMostCopied = 200;              // cost up to which a chain is written several times
constexpr int kCheap = 10;                    // cost up to which memory is what a turn waits for
constexpr int kDear = 8;                      // cost from which putting aside beats computing again

int register_bytes(DType dtype) { return info(dtype).kind == DTypeKind::Half ? 4 : info(dtype).bytes; }

/// The same kernel with a parallel axis of one point in front when there was none.
Kernel with_parallel_axis(Kernel kernel) {
  if (kernel.parallel_axes() > 0) return kernel;
  kernel.axes.insert(kernel.axes.begin(), 1);
  if (kernel.vector_axis >= 0) ++kernel.vector_axis;
  for (Instr& in : kernel.body)
    if (!in.strides.empty() || in.kind == InstrKind::Load || in.kind == InstrKind::Store ||
        in.kind == InstrKind::Index || in.kind == InstrKind::Gather)
      in.strides.insert(in.strides.begin(), 0);
  return kernel;
}

/// The same kernel where half types that it only moves are integers of their width.
Kernel with_moved_integers(Kernel kernel) {
  auto is_half = [&](DType dtype) { return info(dtype).kind == DTypeKind::Half; };
  for (const Instr& in : kernel.body) {
    const bool moves = in.kind == InstrKind::Load || in.kind == InstrKind::Gather || in.kind == InstrKind::Store;
    if (!moves && is_half(in.dtype)) return kernel;
    for (int arg : in.args)
      if (!moves && is_half(kernel.body[arg].dtype)) return kernel;
  }
  for (Instr& in : kernel.body)
    if (is_half(in.dtype)) in.dtype = DType::i16;
  for (KernelParam& param : kernel.params)
    if (is_half(param.dtype)) param.dtype = DType::i16;
  return kernel;
}

int power_of_two_above(int64_t n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

}  // namespace

LoopLayout::LoopLayout(const Kernel& source, const Isa& isa, Means means)
    : kernel(with_moved_integers(with_parallel_axis(source))), means_(means) {
  choose_shape();
  place_instructions();
  choose_lanes(isa);
  plan_passes();
  choose_tiles();
  choose_streams(isa);
  choose_unrolls(isa);
}

void LoopLayout::choose_shape() {
  const int axes = static_cast<int>(kernel.axes.size()), parallel = kernel.parallel_axes();
  if (kernel.reduce_axes == 0)
    shape = Shape::Points;
  else
    shape = kernel.vector_axis == parallel - 1 ? Shape::Columns : Shape::Rows;
  const bool rows = shape == Shape::Rows;
  outer_axes = rows ? parallel : parallel - 1;
  lane_axis = rows ? axes - 1 : parallel - 1;
  point_level = rows ? 1 : 2;
  levels = 1 + point_level + kernel.reduce_axes;
}

void LoopLayout::choose_lanes(const Isa& isa) {
  if (kernel.vector_axis < 0) return;
  int widest = 1, narrow = 0, wide = 0;
  bool doubles = false, masks = true;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    const Instr& in = kernel.body[i];
    const bool memory = in.kind == InstrKind::Load || in.kind == InstrKind::Store ||
                        (in.kind == InstrKind::Gather &&
                         std::none_of(in.args.begin(), in.args.end(), [&](int arg) { return varies[arg]; }));
    if (memory && in.strides[lane_axis] != 0) masks = masks && masks_well(isa, in.dtype, in.strides[lane_axis] == 1);
    if (in.kind == InstrKind::Gather && !memory) masks = masks && masks_well(isa, in.dtype, false);
    if (in.kind == InstrKind::Store || !varies[i]) continue;
    widest = std::max(widest, register_bytes(in.dtype));
    doubles = doubles || in.dtype == DType::f64;
    (register_bytes(in.dtype) == 8 ? wide : narrow) += 1;
  }
  for (const Instr& in : kernel.body)
    if (in.kind == InstrKind::Store)
      widest = std::max(widest, register_bytes(in.dtype));        // of a value that does not vary
  if (widest == 8 && !doubles && narrow >= 2 * wide) widest = 4;  // a few i64 positions take two registers each
  lanes = isa.vector_bits / 8 / widest;
  if (!is_size_param(lane_extent())) lanes = std::min(lanes, power_of_two_above(lane_extent()));
  masked_tail = masks && isa.avx512;
}

int LoopLayout::level_of_axis(int axis) const {
  if (axis < outer_axes) return 1;
  return axis - outer_axes + 2;
}

void LoopLayout::place_instructions() {
  const size_t count = kernel.body.size();
  level.assign(count, 0);
  ready.assign(count, 0);
  varies.assign(count, false);
  spread.assign(count, false);
  for (size_t i = 0; i < count; ++i) {
    const Instr& in = kernel.body[i];
    for (size_t a = 0; a < in.strides.size(); ++a)
      if (moves(in, a)) {
        level[i] = std::max(level[i], level_of_axis(static_cast<int>(a)));
        if (static_cast<int>(a) == lane_axis) varies[i] = true;
      }
    for (int arg : in.args) {
      level[i] = std::max(level[i], level[arg]);
      ready[i] = std::max(ready[i], ready[arg]);
      varies[i] = varies[i] || varies[arg];
    }
    if (in.kind == InstrKind::Reduce) {
      level[i] = point_level;
      ready[i] += 1;
      varies[i] = shape == Shape::Columns;
    }
    const bool in_lanes =
        varies[i] || in.kind == InstrKind::Reduce || (in.kind == InstrKind::Store && (shape != Shape::Rows || !in.row));
    for (int arg : in.args) spread[arg] = spread[arg] || (in_lanes && !varies[arg]);
  }
}

std::vector<bool> LoopLayout::closure(int pass) const {
  std::vector<bool> set(kernel.body.size(), false);
  for (size_t i = kernel.body.size(); i-- > 0;) {
    const Instr& in = kernel.body[i];
    const bool root =
        (in.kind == InstrKind::Reduce && ready[i] == pass + 1) || (is_element_store(in) && store_pass == pass);
    if (!root && !(set[i] && (kept_from[i] < 0 || kept_from[i] == pass))) continue;
    for (int arg : in.args)
      if (level[arg] > point_level) set[arg] = true;
  }
  return set;
}

int LoopLayout::cost(const Instr& in) const {
  const bool half = info(in.dtype).kind == DTypeKind::Half;
  switch (in.kind) {
    case InstrKind::Constant: return 0;
    case InstrKind::Gather: return 8;
    case InstrKind::Elementwise: break;
    default: return half ? 3 : 1;
  }
  if (info(in.op).has(Costly)) return in.dtype == DType::f64 ? 40 : 20;
  if (in.op == Op::div_ || in.op == Op::sqrt_) return is_floating(in.dtype) ? 4 : 20;
  if (in.op == Op::pow_ || in.op == Op::fmod_) return 40;
  return half ? 5 : 1;
}

int LoopLayout::cost_of(const std::vector<bool>& set) const {
  int total = 0;
  for (size_t i = 0; i < set.size(); ++i)
    if (set[i]) total += cost(kernel.body[i]);
  return total;
}

bool LoopLayout::is_flat() const {
  return shape != Shape::Rows &&
         std::all_of(kernel.axes.begin(), kernel.axes.begin() + outer_axes, [](int64_t extent) { return extent == 1; });
}

bool LoopLayout::keeps_values() const {
  return std::any_of(kept_from.begin(), kept_from.end(), [](int pass) { return pass >= 0; });
}

bool LoopLayout::has_known_reduce_points() const {
  return std::none_of(kernel.axes.begin() + kernel.parallel_axes(), kernel.axes.end(), is_size_param);
}

/// What a value put aside takes, at least: rows of unknown length share the memory there is.
int64_t LoopLayout::bytes_aside(size_t i) const {
  const int64_t points = has_known_reduce_points() ? kernel.reduce_points() : kFewestPointsAside;
  return (points + lanes) * register_bytes(kernel.body[i].dtype);
}

int64_t LoopLayout::most_reduce_points() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < kept_from.size(); ++i)
    if (kept_from[i] >= 0) bytes += register_bytes(kernel.body[i].dtype);
  return kStackBytes / bytes - lanes;
}

/// Looks at what `pass` would compute again, and puts aside the last values of dear chains. True when it put something
/// aside.
bool LoopLayout::keep_dear_values(int pass) {
  const size_t count = kernel.body.size();
  std::vector<int> first(count, -1);
  for (size_t i = 0; i < count; ++i)
    for (int earlier = pass; earlier-- > 0;)
      if (needed[earlier][i] && (kept_from[i] < 0 || kept_from[i] == earlier)) first[i] = earlier;
  std::vector<bool> used_by_new(count, false);
  for (size_t i = 0; i < count; ++i) {
    const Instr& in = kernel.body[i];
    const bool root =
        (in.kind == InstrKind::Reduce && ready[i] == pass + 1) || (is_element_store(in) && store_pass == pass);
    if (root || (needed[pass][i] && first[i] < 0 && kept_from[i] < 0))
      for (int arg : in.args) used_by_new[arg] = true;
  }
  int64_t free = kStackBytes;
  for (size_t i = 0; i < count; ++i)
    if (kept_from[i] >= 0) free -= bytes_aside(i);
  bool kept = false;
  for (size_t i = count; i-- > 0;) {
    if (!needed[pass][i] || !used_by_new[i] || first[i] < 0 || kept_from[i] >= 0 || !varies[i]) continue;
    std::vector<bool> chain(count, false);
    chain[i] = true;
    for (size_t j = i + 1; j-- > 0;)
      if (chain[j] && kept_from[j] < 0)
        for (int arg : kernel.body[j].args) chain[arg] = chain[arg] || level[arg] > point_level;
    const int64_t bytes = bytes_aside(i);
    if (cost_of(chain) < kDear || bytes > free) continue;
    kept_from[i] = first[i];
    free -= bytes;
    kept = true;
  }
  return kept;
}

void LoopLayout::plan_passes() {
  kept_from.assign(kernel.body.size(), -1);
  if (shape == Shape::Points) return;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    if (kernel.body[i].kind == InstrKind::Reduce) passes = std::max(passes, ready[i]);
    if (is_element_store(kernel.body[i])) store_pass = std::max(store_pass, ready[i]);
  }
  passes = std::max(passes, store_pass + 1);
  for (int pass = 0; pass < passes; ++pass) {
    needed.push_back(closure(pass));
    if (shape == Shape::Rows && pass > 0 && means_.puts_aside && keep_dear_values(pass)) needed[pass] = closure(pass);
  }
}

void LoopLayout::choose_tiles() {
  transposed.assign(kernel.body.size(), false);
  const int axis = outer_axes - 1;
  if (shape != Shape::Points || axis < 0 || lanes < 4 || !lane_extent_reaches(lanes)) return;
  auto runs_across = [&](const Instr& in) {
    return in.kind == InstrKind::Load && in.strides[axis] == 1 && in.strides[lane_axis] != 0 &&
           in.strides[lane_axis] != 1;
  };
  const bool known = !is_size_param(kernel.axes[axis]);
  // No instruction gathers two bytes a lane, so a tile of fewer lanes is better than none.
  const bool pairs = std::any_of(kernel.body.begin(), kernel.body.end(),
                                 [&](const Instr& in) { return runs_across(in) && info(in.dtype).bytes == 2; });
  while (known && pairs && lanes > 8 && kernel.axes[axis] < lanes) lanes /= 2;
  if (known && kernel.axes[axis] < lanes) return;
  int narrowest = 8;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    const Instr& in = kernel.body[i];
    if (!runs_across(in)) continue;
    transposed[i] = true;
    tile_axis = axis;
    narrowest = std::min(narrowest, info(in.dtype).bytes);
  }
  const int64_t vectors = kCacheLine / (lanes * narrowest), side = vectors * lanes;
  if (tile_axis < 0 || vectors < 2 || cost_of(std::vector<bool>(kernel.body.size(), true)) > kCheap) return;
  if (lane_extent_reaches(side) && (is_size_param(kernel.axes[axis]) || kernel.axes[axis] >= side))
    tile_vectors = static_cast<int>(vectors);
}

bool LoopLayout::has_streams() const { return std::find(streams.begin(), streams.end(), true) != streams.end(); }

bool LoopLayout::may_stream(const Instr& store) const {
  const int64_t bytes = info(store.dtype).bytes, line = kCacheLine / bytes;
  if (store.strides[lane_axis] != 1 || store.offset % line != 0) return false;
  if (tile_axis >= 0 && tile_side() * bytes < kCacheLine) return false;
  for (size_t a = 0; a < kernel.axes.size(); ++a)
    if (store.strides[a] != 0 && static_cast<int>(a) != lane_axis &&
        (store.strides[a] % line != 0 || lane_extent() % line != 0))
      return false;
  return bytes_moved(store) >= kStreamBytes;
}

bool LoopLayout::may_prefetch(size_t i) const {
  const Instr& in = kernel.body[i];
  if (bytes_moved(in) < kStreamBytes) return false;
  if (shape == Shape::Points) return in.strides[lane_axis] == 1 || transposed[i];
  if (shape == Shape::Columns)
    return in.strides[lane_axis] == 1 && in.strides.back() * info(in.dtype).bytes >= kCacheLine;
  return shape == Shape::Rows && passes > 1 && needed[0][i] && in.strides[kernel.parallel_axes() - 1] != 0;
}

int64_t LoopLayout::bytes_moved(const Instr& in) const {
  int64_t bytes = info(in.dtype).bytes;
  for (size_t a = 0; a < kernel.axes.size(); ++a)
    if (in.strides[a] != 0) bytes *= kernel.axes[a];
  return bytes;
}

void LoopLayout::choose_streams(const Isa& isa) {
  streams.assign(kernel.body.size(), false);
  prefetches.assign(kernel.body.size(), false);
  if (!means_.streams || !isa.x86 || kernel.is_parametric()) return;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    const Instr& in = kernel.body[i];
    if (in.kind == InstrKind::Load) prefetches[i] = may_prefetch(i);
    if (in.kind != InstrKind::Store || (shape == Shape::Rows && in.row)) continue;
    streams[i] = lanes * info(in.dtype).bytes >= kNarrowestStream && may_stream(in);
  }
}

/// Columns: as many vectors as there are registers for, because memory likes long stretches of each row.
int LoopLayout::widest_stretch(const Isa& isa) const {
  int reduces = 0;
  for (const Instr& in : kernel.body) reduces += in.kind == InstrKind::Reduce;
  int vectors = (isa.avx512 ? 16 : 8) / reduces;
  vectors = vectors >= 16 ? 16 : vectors >= 8 ? 8 : 1;
  while (vectors > 1 && !lane_extent_reaches(static_cast<int64_t>(vectors) * lanes)) vectors /= 2;
  return vectors;
}

void LoopLayout::choose_unrolls(const Isa& isa) {
  // Several vectors a turn hide latency where something is carried round the loop; elsewhere they only save counting.
  auto turns = [&](int cost, bool carries) {
    int unroll = carries ? (cost <= 6 ? 4 : cost <= 18 ? 2 : 1) : (cost <= 10 ? 2 : 1);
    while (unroll > 1 && !lane_extent_reaches(static_cast<int64_t>(unroll) * lanes)) unroll /= 2;
    return unroll;
  };
  int reduce_passes = 0;
  for (size_t i = 0; i < kernel.body.size(); ++i)
    if (kernel.body[i].kind == InstrKind::Reduce) reduce_passes = std::max(reduce_passes, ready[i]);
  if (shape == Shape::Rows) {
    for (int pass = 0; pass < passes; ++pass) unroll.push_back(turns(cost_of(needed[pass]), pass < reduce_passes));
    return;
  }
  int total = 0;
  for (size_t i = 0; i < kernel.body.size(); ++i)
    if (level[i] >= point_level) total += cost(kernel.body[i]);
  point_unroll = turns(total, shape == Shape::Columns);
  // Long chains over many points wait for themselves, not for memory, unless several run side by side.
  if (has_streams() && shape == Shape::Points && is_flat() && point_unroll == 1 && total <= kMostCopied)
    point_unroll = 4;
  if (shape == Shape::Columns && passes == 1 && cost_of(needed[0]) <= kCheap &&
      std::find(prefetches.begin(), prefetches.end(), true) != prefetches.end())
    point_unroll = std::max(point_unroll, widest_stretch(isa));
  if (tile_axis >= 0) point_unroll = tile_vectors;
  single_copy = masked_tail && !has_streams() && (total > 14 || tile_axis >= 0);
  unroll.assign(passes, point_unroll);
}

}  // namespace braze::cpu
