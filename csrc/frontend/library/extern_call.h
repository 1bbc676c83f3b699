// One PyTorch operator of a launch list, ready to be called: the handle is found, the arguments are boxed once, and
// each tensor it takes is a header made once over memory it does not own; a call only moves the headers' data pointers.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <vector>

#include "schedule/plan.h"

namespace braze {

/// The part of an extern step that all calls share.
class ExternCallSite {
 public:
  /// `generators`: what the program draws from, `packed`: weights no buffer can hold; both by the numbers that
  /// arguments give.
  ExternCallSite(const ExternStep& step, const std::vector<at::Generator>& generators,
                 const std::vector<at::Tensor>& packed);

  const ExternStep& step() const { return step_; }

 private:
  friend class ExternInvocation;

  const ExternStep& step_;
  c10::OperatorHandle op_;
  std::vector<c10::IValue> stack_;  // arguments without tensors; tensors are filled in
  struct Place {
    size_t argument;
    const std::vector<int>* list;  // a list argument, or null
    int operand;
    bool optional_elements;
  };
  std::vector<Place> places_;
};

/// The part that belongs to one frame: tensor headers, which concurrent calls must not share.
class ExternInvocation {
 public:
  explicit ExternInvocation(const ExternCallSite& site);

  /// Points operand or result `index` at its memory.
  void set_operand(size_t index, void* data) { point(operands_[index], data); }
  void set_result(size_t index, void* data) { point(results_[index], data); }

  /// Runs the operator. Fresh results that are Owned land in `owned` by slot. False when a result is not of the planned
  /// shape.
  bool run(std::vector<at::Tensor>& owned);

 private:
  static void point(at::Tensor& tensor, void* data);
  bool keep(at::Tensor result, const ExternTensor& planned, std::vector<at::Tensor>& owned) const;

  const ExternCallSite& site_;
  std::vector<at::Tensor> operands_, results_;
  std::vector<c10::IValue> arguments_;  // with the headers in place
  std::vector<c10::IValue> stack_;
};

}  // namespace braze
