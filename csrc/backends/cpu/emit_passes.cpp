// The reduce axes: passes over them, accumulators carried round the loops. Every loop longer than a few hundred turns
// folds its accumulators into outer ones block by block, which keeps the error of long floating-point sums small.
#include "emit_loops.h"

namespace braze::cpu {

using llvm::Value;

namespace {

constexpr int64_t kBlock = 512;  // turns after which a loop's accumulators are folded into the ones outside it

std::vector<Value*> flatten(const std::vector<Accumulator>& accumulators) {
  std::vector<Value*> all;
  for (const Accumulator& a : accumulators) all.insert(all.end(), a.begin(), a.end());
  return all;
}

std::vector<Accumulator> shaped_like(const std::vector<Accumulator>& shape, const std::vector<Value*>& values) {
  std::vector<Accumulator> result;
  size_t next = 0;
  for (const Accumulator& a : shape) {
    result.emplace_back(values.begin() + next, values.begin() + next + a.size());
    next += a.size();
  }
  return result;
}

}  // namespace

Reducer LoopEmitter::reducer(int i) const {
  const DType from = kernel_.body[kernel_.body[i].args[0]].dtype;
  const bool many = layout_.has_known_reduce_points() && kernel_.reduce_points() >= (int64_t{1} << 31);
  return {kernel_.body[i].op, from, info(from).bytes == 8 || many};
}

/// All that happens at one parallel point (or lanes of them).
void LoopEmitter::run_passes() {
  const int points = layout_.point_level;
  emit_level(points, 0);
  for (pass_ = 0; pass_ < layout_.passes; ++pass_) {
    reduces_.clear();
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
      if (kernel_.body[i].kind == InstrKind::Reduce && layout_.ready[i] == pass_ + 1) reduces_.push_back(i);
    take_results(nest(points + 1, identities(in_rows() ? 1 : unroll_)));
    level_ = points;
    emit_level(points, pass_ + 1);
  }
  for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
    if (kernel_.body[i].kind == InstrKind::Store && !layout_.is_element_store(kernel_.body[i])) emit_store(i);
}

void LoopEmitter::take_results(const Accumulators& accumulators) {
  for (size_t k = 0; k < accumulators.size(); ++k) {
    const size_t copies = accumulators.size() / reduces_.size();
    const int i = reduces_[k / copies];
    if (!in_rows()) {
      varying_[k % copies][i] = reducer(i).result(code_, accumulators[k]);
      continue;
    }
    uniform_[i] = reducer(i).result(code_, reducer(i).across(code_, accumulators[k]));
    if (layout_.spread[i]) spread_[i] = splat(code_, uniform_[i], layout_.lanes);
  }
}

/// Empty accumulators of this pass, reduction by reduction, `copies` of each.
LoopEmitter::Accumulators LoopEmitter::identities(int copies) {
  Accumulators result;
  for (int i : reduces_)
    for (int copy = 0; copy < copies; ++copy)
      result.push_back(reducer(i).identity(code_, in_rows() ? layout_.lanes : lanes_));
  return result;
}

LoopEmitter::Accumulators LoopEmitter::merge(const Accumulators& a, const Accumulators& b) {
  Accumulators result;
  for (size_t k = 0; k < a.size(); ++k)
    result.push_back(reducer(reduces_[k * reduces_.size() / a.size()]).merge(code_, a[k], b[k]));
  return result;
}

/// The loops from `level` inwards, going on from `accumulators`.
LoopEmitter::Accumulators LoopEmitter::nest(int level, const Accumulators& accumulators) {
  const int axis = kernel_.parallel_axes() + level - layout_.point_level - 1;
  const bool last = level == layout_.levels - 1;
  if (last && in_rows()) return lane_level(accumulators);
  const Body body = [&](Value* position, const Accumulators& carried) {
    enter(level, std::pair(axis, position));
    emit_level(level, pass_);
    if (last) return innermost(carried);
    return merge(carried, nest(level + 1, identities(in_rows() ? 1 : unroll_)));
  };
  if (is_size_param(kernel_.axes[axis])) return blocked_loop(extent(axis), 1, accumulators, body);
  return blocked_loop(kernel_.axes[axis], 1, accumulators, body);
}

/// The last reduce axis in lanes: turns of several vectors, then single ones, then a part of one.
LoopEmitter::Accumulators LoopEmitter::lane_level(const Accumulators& accumulators) {
  if (is_size_param(layout_.lane_extent())) return lanes_of_any_extent(accumulators, extent(layout_.lane_axis));
  return lanes_of_known_extent(accumulators, layout_.lane_extent());
}

/// One turn of `unroll` vectors.
LoopEmitter::Body LoopEmitter::turn(int unroll, Value* mask) {
  return [this, unroll, mask](Value* position, const Accumulators& carried) {
    lanes_ = layout_.lanes, unroll_ = unroll, mask_ = mask;
    enter(layout_.levels - 1, std::pair(layout_.lane_axis, position));
    emit_level(layout_.levels - 1, pass_);
    Accumulators added = innermost(carried);
    lanes_ = 1, unroll_ = 1, mask_ = nullptr;
    return added;
  };
}

LoopEmitter::Accumulators LoopEmitter::lanes_of_known_extent(const Accumulators& accumulators, int64_t extent) {
  const int64_t lanes = layout_.lanes;
  const int copies = layout_.unroll[pass_];
  const int64_t wide_end = extent / (copies * lanes) * (copies * lanes), full_end = extent / lanes * lanes;
  Accumulators result = accumulators;
  if (wide_end > 0)
    result =
        merge(result, fold(blocked_loop(wide_end, copies * lanes, identities(copies), turn(copies, nullptr)), copies));
  if (wide_end < full_end)
    result = shaped_like(
        result, loop(number(wide_end), number(full_end), lanes, flatten(result), [&](Value* position, Values carried) {
          return flatten(turn(1, nullptr)(position, shaped_like(accumulators, carried)));
        }));
  if (full_end < extent) {
    llvm::SmallVector<llvm::Constant*, 64> in_use;
    for (int64_t lane = 0; lane < lanes; ++lane) in_use.push_back(ir_.getInt1(full_end + lane < extent));
    result = turn(1, llvm::ConstantVector::get(in_use))(number(full_end), result);
  }
  return result;
}

/// The same order of additions, so the same bits, when the extent is known only at run time.
LoopEmitter::Accumulators LoopEmitter::lanes_of_any_extent(const Accumulators& accumulators, Value* extent) {
  const int64_t lanes = layout_.lanes;
  const int copies = layout_.unroll[pass_];
  Value* wide_end = ir_.CreateAnd(extent, number(-copies * lanes));
  const Accumulators wide = blocked_loop(wide_end, copies * lanes, identities(copies), turn(copies, nullptr));
  Values result = flatten(merge(accumulators, fold(wide, copies)));
  auto single = [&](bool masked) {
    return [this, masked, extent, &accumulators](Value* position, Values carried) {
      Value* mask = masked ? first_lanes(ir_.CreateSub(extent, position)) : nullptr;
      return flatten(turn(1, mask)(position, shaped_like(accumulators, carried)));
    };
  };
  // Where masks cost nothing, what is left of the wide turns is written once.
  Value* rest = wide_end;
  if (copies > 1 && (lanes == 1 || !code_.isa.avx512)) {
    rest = ir_.CreateAnd(extent, number(-lanes));
    result = loop_or_not(wide_end, rest, number(lanes), result, single(false));
  }
  if (lanes > 1) result = loop_or_not(rest, extent, number(lanes), result, single(true));
  return shaped_like(accumulators, result);
}

/// Copies of each reduction as one, in pairs.
LoopEmitter::Accumulators LoopEmitter::fold(Accumulators accumulators, int copies) {
  Accumulators result;
  for (size_t r = 0; r < reduces_.size(); ++r) {
    Accumulators group(accumulators.begin() + r * copies, accumulators.begin() + (r + 1) * copies);
    for (; group.size() > 1; group.resize(group.size() / 2))
      for (size_t k = 0; k < group.size() / 2; ++k)
        group[k] = reducer(reduces_[r]).merge(code_, group[2 * k], group[2 * k + 1]);
    result.push_back(group[0]);
  }
  return result;
}

/// What happens at every reduce point: values go into accumulators, elements are stored.
LoopEmitter::Accumulators LoopEmitter::innermost(const Accumulators& accumulators) {
  Accumulators result;
  for (size_t r = 0; r < reduces_.size(); ++r)
    for (int copy = 0; copy < unroll_; ++copy) {
      Value* position = nullptr;
      if (reducer(reduces_[r]).has_position()) position = reduce_position(reducer(reduces_[r]), copy);
      const Instr& in = kernel_.body[reduces_[r]];
      Value* added = value(in.args[0], copy, lanes_);
      if (in.op == Op::dot_) added = ir_.CreateFMul(added, value(in.args[1], copy, lanes_));
      Value* mask = in_rows() ? mask_ : nullptr;  // in Columns, lanes out of use keep to themselves
      result.push_back(reducer(reduces_[r]).add(code_, accumulators[result.size()], added, position, mask));
    }
  if (layout_.store_pass == pass_)
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i)
      if (layout_.is_element_store(kernel_.body[i])) emit_store(i);
  return result;
}

Value* LoopEmitter::reduce_position(const Reducer& reducer, int copy) {
  Value* first = linear_[level_];
  if (in_rows()) first = ir_.CreateAdd(first, number(static_cast<int64_t>(copy) * lanes_));
  Value* spread = splat(code_, ir_.CreateTrunc(first, reducer.position_element(code_)), lanes_);
  return in_rows() ? ir_.CreateAdd(spread, lane_numbers(reducer.position_element(code_), lanes_)) : spread;
}

/// A loop from 0 to `end` that folds what it carries into outer accumulators every kBlock turns.
LoopEmitter::Accumulators LoopEmitter::blocked_loop(int64_t end, int64_t step, const Accumulators& start,
                                                    const Body& body) {
  auto plain = [&](Value* from, Value* to, const Accumulators& initial) {
    return shaped_like(initial, loop(from, to, step, flatten(initial), [&](Value* position, Values carried) {
                         return flatten(body(position, shaped_like(initial, carried)));
                       }));
  };
  const int64_t turns = end / step;
  if (turns <= 2 * kBlock || start.empty()) return plain(number(0), number(end), start);
  const Accumulators fresh = identities(static_cast<int>(start.size() / reduces_.size()));
  const int64_t blocks_end = turns / kBlock * kBlock * step;
  Values outer = loop(number(0), number(blocks_end), kBlock * step, flatten(start), [&](Value* block, Values carried) {
    Accumulators inner = plain(block, ir_.CreateAdd(block, number(kBlock * step)), fresh);
    return flatten(merge(shaped_like(start, carried), inner));
  });
  Accumulators folded = shaped_like(start, outer);
  return blocks_end == end ? folded : merge(folded, plain(number(blocks_end), number(end), fresh));
}

/// The same when `end` is known only at run time, and may be 0. An empty accumulator that others are folded into gives
/// their bits, so one loop of blocks serves few turns too.
LoopEmitter::Accumulators LoopEmitter::blocked_loop(Value* end, int64_t step, const Accumulators& start,
                                                    const Body& body) {
  auto plain = [&](const Accumulators& initial) {
    return [&](Value* position, Values carried) { return flatten(body(position, shaped_like(initial, carried))); };
  };
  if (start.empty()) {
    loop_or_not(number(0), end, number(step), {}, plain(start));
    return start;
  }
  const Accumulators fresh = identities(static_cast<int>(start.size() / reduces_.size()));
  Value* few = ir_.CreateICmpSLE(end, number(2 * kBlock * step));
  Value* block = ir_.CreateSelect(few, end, number(kBlock * step));
  Values folded = loop_or_not(number(0), end, block, flatten(start), [&](Value* position, Values carried) {
    Value* whole = ir_.CreateAdd(position, block);
    Value* stop = ir_.CreateSelect(ir_.CreateICmpSLT(whole, end), whole, end);
    Values inner = loop(position, stop, number(step), flatten(fresh), plain(fresh));
    return flatten(merge(shaped_like(start, carried), shaped_like(fresh, inner)));
  });
  return shaped_like(start, folded);
}

}  // namespace braze::cpu
