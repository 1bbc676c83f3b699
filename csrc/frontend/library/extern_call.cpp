#include "frontend/library/extern_call.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scalar_tensor.h>

#include "frontend/capture/convert.h"
#include "frontend/library/out_variant.h"
#include "support/error.h"

namespace braze {
namespace {

c10::OperatorHandle operator_of(const ExternStep& step) {
  if (!step.into_results) return find_operator(step.call);
  auto out = find_out_variant(step.call);
  check_internal(out.has_value(), "no out= variant of " + step.call.op);
  return *out;
}

/// A header over memory that somebody else owns and that is set later.
at::Tensor header(const ExternTensor& planned) {
  static char nothing[64];
  return at::from_blob(nothing, planned.geometry.sizes, planned.geometry.strides,
                       at::TensorOptions().dtype(scalar_type_of(planned.dtype)).device(at::kCPU));
}

/// Whether the elements are where `planned` has them; strides of dims of size 1 say nothing about that.
bool lies_as(const at::Tensor& tensor, const Geometry& planned) {
  if (tensor.numel() == 0) return true;
  for (int64_t d = 0; d < tensor.dim(); ++d)
    if (tensor.size(d) != 1 && tensor.stride(d) != planned.strides[d]) return false;
  return true;
}

/// A Python number where the schema has a tensor.
at::Tensor wrapped_number(const at::Scalar& number) {
  at::Tensor tensor = at::scalar_tensor(number, at::TensorOptions().dtype(number.type()));
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

}  // namespace

ExternCallSite::ExternCallSite(const ExternStep& step, const std::vector<at::Generator>& generators,
                               const std::vector<at::Tensor>& packed)
    : step_(step), op_(operator_of(step)) {
  const auto& formals = op_.schema().arguments();
  for (size_t i = 0; i < step.call.args.size(); ++i) {
    const ExternArg& arg = step.call.args[i];
    const auto& type = *formals[i].real_type();
    if (auto* tensor = std::get_if<TensorArg>(&arg)) {
      if (tensor->operand >= 0) places_.push_back({i, nullptr, tensor->operand, false});
    } else if (auto* list = std::get_if<TensorListArg>(&arg)) {
      auto* list_type = type.castRaw<c10::ListType>();
      bool optional = list_type && list_type->getElementType()->kind() == c10::OptionalType::Kind;
      places_.push_back({i, &list->operands, -1, optional});
    }
    if (auto* named = std::get_if<NamedArg>(&arg); named && named->kind == "generator") {
      stack_.push_back(generators.at(std::stoul(named->value)));
      continue;
    }
    if (auto* named = std::get_if<NamedArg>(&arg); named && named->kind == "packed") {
      stack_.push_back(packed.at(std::stoul(named->value)));
      continue;
    }
    stack_.push_back(ivalue_of(arg, type));
    if (type.kind() == c10::TensorType::Kind && stack_.back().isScalar())
      stack_.back() = wrapped_number(stack_.back().toScalar());
    if (std::holds_alternative<TensorArg>(arg) && std::get<TensorArg>(arg).operand < 0) stack_.back() = at::Tensor();
  }
}

ExternInvocation::ExternInvocation(const ExternCallSite& site) : site_(site) {
  for (const auto& operand : site.step_.operands) operands_.push_back(header(operand));
  if (site.step_.into_results)
    for (const auto& result : site.step_.results) results_.push_back(header(result));
  arguments_ = site.stack_;
  for (const auto& place : site.places_) {
    if (!place.list) {
      arguments_[place.argument] = operands_[place.operand];
    } else if (place.optional_elements) {
      c10::List<std::optional<at::Tensor>> list;
      for (int i : *place.list) list.push_back(i < 0 ? std::optional<at::Tensor>() : operands_[i]);
      arguments_[place.argument] = list;
    } else {
      c10::List<at::Tensor> list;
      for (int i : *place.list) list.push_back(i < 0 ? at::Tensor() : operands_[i]);
      arguments_[place.argument] = list;
    }
  }
  for (const auto& result : results_) arguments_.push_back(result);
  stack_.reserve(arguments_.size() + 4);
}

void ExternInvocation::point(at::Tensor& tensor, void* data) {
  tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl()->set_data_ptr_noswap(
      at::DataPtr(data, at::kCPU));
}

bool ExternInvocation::run(std::vector<at::Tensor>& owned) {
  stack_.assign(arguments_.begin(), arguments_.end());
  site_.op_.callBoxed(&stack_);
  bool as_planned = true;
  const auto& step = site_.step_;
  if (!step.into_results && !step.results.empty()) {
    size_t position = 0;
    for (auto& value : stack_) {
      auto take = [&](at::Tensor tensor) {
        int result = position < step.call.returns.size() ? step.call.returns[position] : -1;
        ++position;
        if (result >= 0 && result < static_cast<int>(step.results.size()))
          as_planned &= keep(std::move(tensor), step.results[result], owned);
      };
      if (value.isTensor()) {
        take(std::move(value).toTensor());
      } else if (value.isTensorList()) {
        for (const at::Tensor& tensor : value.toTensorVector()) take(tensor);
      }
    }
  }
  stack_.clear();
  return as_planned;
}

bool ExternInvocation::keep(at::Tensor result, const ExternTensor& planned, std::vector<at::Tensor>& owned) const {
  if (result.sizes() != c10::IntArrayRef(planned.geometry.sizes) ||
      result.scalar_type() != scalar_type_of(planned.dtype))
    return false;
  // Where its results lie is the operator's to decide: one that is not PyTorch's own may decide anew at each call.
  if (!site_.step_.call.op.starts_with("aten::") && !site_.step_.call.op.starts_with("mk") &&
      !lies_as(result, planned.geometry))
    return false;
  bool borrowed = false;  // an operator may hand back an argument instead of a copy of it
  for (const auto& operand : operands_)
    borrowed |= operand.has_storage() && operand.storage().is_alias_of(result.storage());
  if (!borrowed && lies_as(result, planned.geometry)) {
    if (result.strides() != c10::IntArrayRef(planned.geometry.strides))
      result = at::as_strided(result, planned.geometry.sizes, planned.geometry.strides);
  } else {
    at::Tensor fresh = at::empty_strided(planned.geometry.sizes, planned.geometry.strides, result.options());
    fresh.copy_(result);
    result = std::move(fresh);
  }
  owned[planned.buffer.index] = std::move(result);
  return true;
}

}  // namespace braze
