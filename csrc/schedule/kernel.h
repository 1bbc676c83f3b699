// Loop IR: one kernel as data. A kernel is a loop nest over `axes`, the last `reduce_axes` of which are reduced, and a
// straight line of instructions in SSA form. An instruction is at level Element (a value at each point of all axes) or
// Row (one value for each point of the parallel axes). A reduce turns an Element value into a Row value, so its users
// run in a later pass over the reduce axes; the emitter decides what it recomputes, keeps in registers or stashes in a
// small row buffer between passes.
//
//   kernel parallel=[4096] reduce=[768] vector=1
//     params: p0 f32, p1 f32 out
//     %0: f32 = load p0 [768,1]+0
//     %1: f32 row = sum %0
//     %2: f32 = const 0x1.5555560000000p-10
//     %3: f32 row = mul %1, %2
//     %4: f32 = sub %0, %3
//     store p1 [768,1]+0 %4
//
// A gather reads `gather p0 [0,1]+0 %3 of 30522 by 768`; a position `index [0,1]+0`; a store of a row value `store row
// p1 ...`.
//
// A parametric kernel holds for many sizes: wherever a number can stand as an extent, a stride, an offset, an indexed
// dim's size or stride, or as a constant, a size parameter may stand instead, printed s0, s1, ... (a constant also as
// 1/s0). Its value comes with each launch: behind the pointers of the params stands one more, to an int64 for each size
// parameter.
//
//   kernel parallel=[s0] reduce=[s1] vector=1 sizes=2
//     params: p0 f32, p1 f32 out
//     %0: f32 = load p0 [s1,1]+0
//     %1: f32 row = sum %0
//     %2: f32 = const s1
//     %3: f32 row = div %1, %2
//     store row p1 [1,0]+0 %3
//
// Laws (kernel_laws.cpp checks what can be checked here; size_params.h what depends on the values of size parameters):
//  - Extents are positive; strides and offsets are not negative. A stride that is 0 or an extent that is 1 is a number.
//  - `vector` is the last parallel axis, the last reduce axis, or -1.
//  - Level Row exists only where there are reduce axes. A constant has no level (its `row` is false) and serves both.
//  - A row instruction reads rows and constants only and does not move along reduce axes; an element instruction may
//    read rows; a reduction reads an element value or a constant.
//  - Addresses are offset + sum(index[a] * strides[a]) in elements of the param's dtype, which is the instruction's.
//  - A store's strides are injective over the axes of its level; several stores into one param go to places apart.
//  - No arithmetic on half types: they are loaded, gathered, stored and cast.
//  - Two params may be one buffer when both are written, at places apart; or, in a kernel without reduce axes, when one
//    is read and one written at the same address at each point, so that load before store is enough.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/dtype.h"
#include "ops/op.h"
#include "ops/scalar.h"

namespace braze {

/// Size parameter `position`, where an integer of a kernel stands: the negative numbers, which mean nothing else there.
constexpr int64_t size_param(int position) { return -1 - static_cast<int64_t>(position); }
constexpr bool is_size_param(int64_t integer) { return integer < 0; }
constexpr int size_param_position(int64_t integer) { return static_cast<int>(-1 - integer); }

/// A buffer the kernel is handed as a pointer.
struct KernelParam {
  DType dtype = DType::f32;
  bool written = false;
  bool operator==(const KernelParam&) const = default;
};

enum class InstrKind : uint8_t {
  Constant,     // immediate, or a size parameter, or 1 by it
  Load,         // param, offset, strides
  Gather,       // as Load, plus args[k] * indexed[k].stride for each index; out of range: the kernel returns non-zero
  Index,        // axis position: sum(index[a] * strides[a]) + offset, as i64
  Elementwise,  // op applied to args
  Reduce,       // op (sum, dot, prod, min, max, any, all, argmin, argmax) of args over all reduce axes; level Row
  Store         // param, offset, strides, args[0]
};

struct Instr {
  InstrKind kind = InstrKind::Constant;
  Op op = Op::add_;
  DType dtype = DType::f32;  // of the value made (Store: of the value stored)
  bool row = false;          // level Row; false: level Element
  std::vector<int> args;     // earlier instructions, by position
  int param = -1;
  int64_t offset = 0;
  std::vector<int64_t> strides;     // one an axis
  std::vector<IndexedDim> indexed;  // Gather
  Scalar immediate;                 // Constant; of a size parameter: 0
  int size = -1;                    // Constant: the position of the size parameter it is; -1: the immediate
  bool reciprocal = false;          // Constant: 1 by the size parameter, divided in f64, then rounded to dtype
  bool operator==(const Instr&) const = default;
};

struct Kernel {
  std::vector<int64_t> axes;  // extents, outermost first: parallel axes, then reduce axes
  int reduce_axes = 0;
  int vector_axis = -1;  // the last parallel axis or the last reduce axis; -1: scalar code
  std::vector<KernelParam> params;
  std::vector<Instr> body;
  int size_params = 0;  // 0: a static kernel

  bool is_parametric() const { return size_params > 0; }
  int parallel_axes() const { return static_cast<int>(axes.size()) - reduce_axes; }
  /// The number of points of the parallel axes: what launch splits over threads. `sizes`: one a size parameter.
  int64_t parallel_points(std::span<const int64_t> sizes = {}) const;
  /// The number of points of the reduce axes (1 when there are none).
  int64_t reduce_points(std::span<const int64_t> sizes = {}) const;
  bool operator==(const Kernel&) const = default;
};

/// The kernel as text; equal kernels print equally, so this is also the cache key of generated code.
std::string print(const Kernel& kernel);
/// The inverse of print. Raises a User error naming the line when the text is damaged.
Kernel parse_kernel(const std::string& text);
/// Raises an Internal error naming the broken law, with the kernel as text.
void verify(const Kernel& kernel);

}  // namespace braze
