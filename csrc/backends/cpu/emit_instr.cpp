// One level of the loop nest and one instruction: addresses that follow the loops, values in lanes or not.
#include "emit_convert.h"
#include "emit_elementwise.h"
#include "emit_loops.h"
#include "emit_memory.h"
#include "ops/evaluate.h"

namespace braze::cpu {

using llvm::Value;

/// Goes into `level` with the positions of its axes: addresses move along.
void LoopEmitter::enter(int level, llvm::ArrayRef<std::pair<int, Value*>> positions) {
  level_ = level;
  if (level > 0) {
    bases_[level] = bases_[level - 1];
    linear_[level] = linear_[level - 1];
  }
  for (size_t i = 0; i < kernel_.body.size(); ++i) {
    const Instr& in = kernel_.body[i];
    if (in.strides.empty()) continue;
    Value* moved = nullptr;
    for (auto [axis, position] : positions) {
      if (!layout_.moves(in, axis)) continue;
      Value* step = in.strides[axis] == 1 ? position : ir_.CreateMul(position, amount(in.strides[axis]));
      moved = moved ? ir_.CreateAdd(moved, step) : step;
    }
    if (!moved) continue;
    Value*& base = bases_[level][i];
    base = in.kind == InstrKind::Index ? ir_.CreateAdd(base, moved)
                                       : ir_.CreateGEP(memory_element(ir_.getContext(), in.dtype), base, moved);
  }
  for (auto [axis, position] : positions) {
    if (axis < kernel_.parallel_axes()) continue;
    Value* inner = number(1);
    for (int a = axis + 1; a < static_cast<int>(kernel_.axes.size()); ++a) inner = ir_.CreateMul(inner, extent(a));
    linear_[level] = ir_.CreateAdd(linear_[level], ir_.CreateMul(position, inner));
  }
}

/// Computes what belongs to `level` once `pass` passes have run.
void LoopEmitter::emit_level(int level, int pass) {
  const bool deep = level > layout_.point_level;
  for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i) {
    const Instr& in = kernel_.body[i];
    if (in.kind == InstrKind::Gather && index_is_uniform(in)) {
      int args_level = 0, args_ready = 0;
      for (int arg : in.args) {
        args_level = std::max(args_level, layout_.level[arg]);
        args_ready = std::max(args_ready, layout_.ready[arg]);
      }
      const bool here = deep ? layout_.needed[pass][i] : args_ready == pass;
      if (args_level == level && here) offsets_[i] = checked_offset(i, 0, 1, nullptr);
    }
    if (layout_.level[i] != level || in.kind == InstrKind::Constant || in.kind == InstrKind::Reduce ||
        in.kind == InstrKind::Store)
      continue;
    if (deep ? layout_.needed[pass][i] : layout_.ready[i] == pass) emit_instr(i, pass);
  }
}

void LoopEmitter::emit_instr(int i, int pass) {
  if (!layout_.varies[i]) {
    uniform_[i] = compute(i, 0, 1);
    if (layout_.spread[i]) spread_[i] = splat(code_, uniform_[i], layout_.lanes);
    return;
  }
  const int kept_from = layout_.kept_from[i];
  for (int copy = 0; copy < unroll_; ++copy) {
    const bool reads = kept_from >= 0 && kept_from < pass;
    Value*& value = varying_[copy][i];
    llvm::Type* type = with_lanes(register_element(ir_.getContext(), kernel_.body[i].dtype), lanes_);
    const bool bit = kernel_.body[i].dtype == DType::b1;
    llvm::Type* memory = bit ? like(type, ir_.getInt8Ty()) : type;
    if (reads) {
      value = ir_.CreateAlignedLoad(memory, kept_address(i, copy), llvm::Align(1));
      if (bit) value = ir_.CreateIsNotNull(value);
    } else {
      value = compute(i, copy, lanes_);
      if (kept_from == pass && layout_.level[i] > layout_.point_level)
        ir_.CreateAlignedStore(bit ? ir_.CreateZExt(value, memory) : value, kept_address(i, copy), llvm::Align(1));
    }
  }
}

Value* LoopEmitter::kept_address(int i, int copy) {
  const DType dtype = kernel_.body[i].dtype;
  llvm::Type* element = dtype == DType::b1 ? ir_.getInt8Ty() : register_element(ir_.getContext(), dtype);
  Value* position = ir_.CreateAdd(linear_[level_], number(static_cast<int64_t>(copy) * lanes_));
  return ir_.CreateGEP(element, kept_[i], position);
}

Value* LoopEmitter::constant(const Instr& in, int lanes) {
  llvm::Type* type = with_lanes(register_element(ir_.getContext(), in.dtype), lanes);
  const Scalar value = convert(in.immediate, in.dtype);
  return is_floating(in.dtype) ? real(type, value.as_double()) : integer(type, value.as_int());
}

/// Of a size parameter; made once a call.
Value* LoopEmitter::size_constant(const Instr& in) {
  Value* size = sizes_[in.size];
  if (!is_floating(in.dtype)) return emit_convert(code_, size, DType::i64, in.dtype);
  Value* number = ir_.CreateSIToFP(size, ir_.getDoubleTy());
  if (in.reciprocal) number = ir_.CreateFDiv(real(ir_.getDoubleTy(), 1), number);
  return emit_convert(code_, number, DType::f64, in.dtype);
}

Value* LoopEmitter::value(int i, int copy, int lanes) {
  const Instr& in = kernel_.body[i];
  if (in.kind == InstrKind::Constant && in.size < 0) return constant(in, lanes);
  if (layout_.varies[i]) return varying_[copy][i];
  return lanes == 1 ? uniform_[i] : spread_[i];
}

/// The address or number of a copy's first lane.
Value* LoopEmitter::base(int i, int copy) {
  const Instr& in = kernel_.body[i];
  Value* start = bases_[level_][i];
  if (copy == 0 || !layout_.moves(in, layout_.lane_axis)) return start;
  Value* step = ir_.CreateMul(number(static_cast<int64_t>(copy) * lanes_), amount(in.strides[layout_.lane_axis]));
  if (in.kind == InstrKind::Index) return ir_.CreateAdd(start, step);
  return ir_.CreateGEP(memory_element(ir_.getContext(), in.dtype), start, step);
}

/// How far neighbouring lanes are apart: 0 when they are one.
Value* LoopEmitter::lane_stride(int i) {
  const Instr& in = kernel_.body[i];
  return in.strides.empty() || !layout_.varies[i] ? number(0) : amount(in.strides[layout_.lane_axis]);
}

/// Asks for the memory that this load, or the pass before it, will want later: once a line of the cache.
void LoopEmitter::prefetch_ahead(int i, int copy) {
  const Instr& in = kernel_.body[i];
  const int64_t bytes = info(in.dtype).bytes;
  if (!layout_.prefetches[i] || lanes_ != layout_.lanes || copy * lanes_ * bytes % kCacheLine != 0) return;
  int64_t ahead = 0;
  switch (layout_.shape) {
    case LoopLayout::Shape::Points: ahead = kPrefetchBytes / bytes; break;
    case LoopLayout::Shape::Columns: ahead = kPrefetchRows * in.strides.back(); break;
    case LoopLayout::Shape::Rows: ahead = pass_ == 1 ? in.strides[kernel_.parallel_axes() - 1] : 0; break;
  }
  if (ahead != 0) emit_prefetch(code_, in.dtype, base(i, copy), ahead);
}

Value* LoopEmitter::compute(int i, int copy, int lanes) {
  const Instr& in = kernel_.body[i];
  switch (in.kind) {
    case InstrKind::Load:
      if (tile_row_ && layout_.transposed[i]) return tile_load(i, copy);
      prefetch_ahead(i, copy);
      return emit_load(code_, in.dtype, base(i, copy), lane_stride(i), lanes, lanes == 1 ? nullptr : mask_);
    case InstrKind::Gather: return gather(i, copy, lanes);
    case InstrKind::Index: {
      Value* first = splat(code_, base(i, copy), lanes);
      if (lanes == 1 || !layout_.varies[i] || in.strides[layout_.lane_axis] == 0) return first;
      return ir_.CreateAdd(first, ir_.CreateMul(lane_numbers(i64(), lanes), splat(code_, lane_stride(i), lanes)));
    }
    default: break;
  }
  llvm::SmallVector<Value*, 3> args;
  for (int arg : in.args) args.push_back(value(arg, copy, lanes));
  if (lanes > 1 && in_rows() && is_share_of_sum(in)) return share_of_sum(args[0], in.args[1], lanes);
  return emit_elementwise(code_, {in.op, in.dtype, kernel_.body[in.args.back()].dtype, args});
}

/// Whether this is exp(x - max x) by its own sum: what is divided is at most 1, the divisor is 1 or more.
bool LoopEmitter::is_share_of_sum(const Instr& in) const {
  if (in.op != Op::div_ || in.dtype != DType::f32 || !code_.isa.fma) return false;
  const Instr &exponential = kernel_.body[in.args[0]], &sum = kernel_.body[in.args[1]];
  if (exponential.op != Op::exp_ || sum.kind != InstrKind::Reduce || sum.op != Op::sum_ || sum.args[0] != in.args[0])
    return false;
  const Instr& difference = kernel_.body[exponential.args[0]];
  if (difference.op != Op::sub_) return false;
  const Instr& largest = kernel_.body[difference.args[1]];
  return largest.kind == InstrKind::Reduce && largest.op == Op::max_ && largest.args[0] == difference.args[0];
}

/// A quotient from the divisor's reciprocal and the remainder, without waiting for the divider: rounded as division
/// rounds it, but for what is below 2^-102, whose remainder need not be a number; that is within an ulp.
Value* LoopEmitter::share_of_sum(Value* part, int sum, int lanes) {
  Value* reciprocal = splat(code_, ir_.CreateFDiv(real(ir_.getFloatTy(), 1), uniform_[sum]), lanes);
  Value* quotient = ir_.CreateFMul(part, reciprocal);
  Value* remainder = fma(code_, ir_.CreateFNeg(quotient), splat(code_, uniform_[sum], lanes), part);
  return fma(code_, remainder, reciprocal, quotient);
}

bool LoopEmitter::index_is_uniform(const Instr& in) const {
  for (int arg : in.args)
    if (layout_.varies[arg]) return false;
  return true;
}

/// What the indices of a gather add to its address, in elements; leaves for `fail` when one is out of range.
Value* LoopEmitter::checked_offset(int i, int copy, int lanes, Value* mask) {
  const Instr& in = kernel_.body[i];
  Value *offset = nullptr, *bad = nullptr;
  for (size_t k = 0; k < in.args.size(); ++k) {
    Value* index = value(in.args[k], copy, lanes);
    llvm::Type* type = index->getType();
    Value* size = splat(code_, amount(in.indexed[k].size), lanes);
    Value* wrapped = ir_.CreateSelect(ir_.CreateICmpSLT(index, integer(type, 0)), ir_.CreateAdd(index, size), index);
    Value* outside = ir_.CreateICmpUGE(wrapped, size);
    bad = bad ? ir_.CreateOr(bad, outside) : outside;
    Value* step = ir_.CreateMul(wrapped, splat(code_, amount(in.indexed[k].stride), lanes));
    offset = offset ? ir_.CreateAdd(offset, step) : step;
  }
  fail_if_any(code_, mask ? ir_.CreateAnd(bad, mask) : bad);
  return offset;
}

Value* LoopEmitter::gather(int i, int copy, int lanes) {
  const Instr& in = kernel_.body[i];
  Value* mask = lanes == 1 ? nullptr : mask_;
  if (index_is_uniform(in)) {
    Value* address = ir_.CreateGEP(memory_element(ir_.getContext(), in.dtype), base(i, copy), offsets_[i]);
    return emit_load(code_, in.dtype, address, lane_stride(i), lanes, mask);
  }
  Value* offset = checked_offset(i, copy, lanes, mask);
  if (lanes > 1 && layout_.varies[i] && in.strides[layout_.lane_axis] != 0)
    offset = ir_.CreateAdd(offset, ir_.CreateMul(lane_numbers(i64(), lanes), splat(code_, lane_stride(i), lanes)));
  return emit_gather(code_, in.dtype, base(i, copy), offset, mask);
}

void LoopEmitter::emit_store(int i) {
  const Instr& in = kernel_.body[i];
  const bool in_lanes = layout_.shape != LoopLayout::Shape::Rows || !in.row;
  const int lanes = in_lanes ? lanes_ : 1;
  Value* stride = kernel_.axes[layout_.lane_axis] == 1 ? number(1) : amount(in.strides[layout_.lane_axis]);
  const bool streams = layout_.streams[i] && lanes == layout_.lanes && !mask_;
  for (int copy = 0; copy < (in_lanes ? unroll_ : 1); ++copy) {
    if (streams) {
      emit_stream(code_, in.dtype, value(in.args[0], copy, lanes), base(i, copy));
      continue;
    }
    cpu::emit_store(code_, in.dtype, value(in.args[0], copy, lanes), base(i, copy), stride,
                    lanes == 1 ? nullptr : mask_);
  }
}

}  // namespace braze::cpu
