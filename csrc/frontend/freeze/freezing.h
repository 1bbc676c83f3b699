// A captured program on its way to one that keeps numbers of its own: what the steps of freeze() share.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "frontend/capture/functionalise.h"
#include "support/options.h"

namespace braze {

struct FreezeRecord {
  int folded = 0;            // constants computed once
  int transposed = 0;        // weights of linear layers kept the other way round
  int linears = 0;           // weights of linear layers packed
  int convolutions = 0;      // weights of convolutions packed
  int products = 0;          // convolutions of 1x1 that became products
  int own_convolutions = 0;  // convolutions that kernels of ours compute
  int64_t bytes = 0;         // what all of it takes
};

class Freezing {
 public:
  /// `slots`: the call's tensors, arguments first.
  Freezing(CapturedProgram& program, const std::vector<at::Tensor>& slots, const Options& options)
      : program(program), options(options), slots_(slots), baked_(slots.size(), 0) {}

  CapturedProgram& program;
  const Options& options;
  FreezeRecord record;

  /// Whether the access shows a frozen input, so that its numbers are at hand.
  bool is_at_hand(const Access& access) const;
  /// Its numbers, over memory that is the tensor's. From now on the program depends on them.
  at::Tensor numbers(const Access& access);
  /// A frozen input that holds this dense tensor, which the program keeps and which owns its memory.
  ValueId add_constant(const at::Tensor& tensor);
  /// For `slot`'s tensor, whose numbers the program now depends on; literals need no guard.
  void depend_on(int slot);
  /// The argument of a call that is a weight in the library's own layout.
  ExternArg add_packed(at::Tensor packed, int64_t bytes);

  const at::Tensor& tensor_of(int slot) const;
  const std::vector<char>& baked() const { return baked_; }

  /// Where a constant that comes next will be found.
  int next_slot() const { return static_cast<int>(slots_.size() + program.constants.size()); }

 private:
  int input_of(ValueId id) const;

  const std::vector<at::Tensor>& slots_;
  std::vector<char> baked_;  // by slot
};

// The steps, in their order.

/// Computes once what depends on frozen inputs alone.
void evaluate_constants(Freezing& freezing);
/// Gives each linear layer the form of its weight that is fastest here, found by running it.
void choose_linears(Freezing& freezing);
/// Packs the weights of oneDNN's convolutions, or makes them PyTorch's again where that is faster.
void choose_convolutions(Freezing& freezing);

}  // namespace braze
