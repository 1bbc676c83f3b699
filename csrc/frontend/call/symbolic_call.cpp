#include "frontend/call/symbolic_call.h"

#include <algorithm>

#include "support/error.h"

namespace braze {
namespace {

constexpr size_t kMostInstances = 8;
constexpr size_t kMostRefused = 256;

}  // namespace

std::shared_ptr<SymbolicCall> SymbolicCall::unify(const PlannedProgram& a, const PlannedProgram& b,
                                                  std::vector<Symbol> symbols) {
  if (!same_but_for_sizes(a.boundary, b.boundary) || !a.boundary.value_guards.empty()) return nullptr;
  Values first, second;
  for (const Symbol& symbol : symbols) first.push_back(symbol.first), second.push_back(symbol.second);
  auto integers = fit_candidates(integers_of(a.boundary), integers_of(b.boundary), first, second);
  auto recorded = VaryingIntegers::fit(a.recorded, b.recorded, first, second);
  if (!integers || !recorded) return nullptr;
  auto plan = braze::unify(a.plan, b.plan, first, second);
  if (!plan) return nullptr;
  auto call = std::make_shared<SymbolicCall>();
  call->plan_ = std::move(*plan);
  call->boundary_ = a.boundary;
  call->integers_ = std::move(*integers);
  call->recorded_ = std::move(*recorded);
  call->quotients_ = VaryingIntegers::fit(a.quotients, b.quotients, first, second);
  call->symbols_ = std::move(symbols);
  return call;
}

bool SymbolicCall::agrees(const PlannedProgram& c, const std::vector<int64_t>& symbols) {
  auto integers = integers_;
  auto recorded = recorded_;
  bool same = same_but_for_sizes(boundary_, c.boundary) && narrow_all(integers, integers_of(c.boundary), symbols) &&
              recorded.narrow(c.recorded, symbols) && braze::agrees(plan_, c.plan, symbols);
  if (!same) return false;
  integers_ = std::move(integers);
  recorded_ = std::move(recorded);
  if (quotients_ && !quotients_->narrow(c.quotients, symbols)) quotients_.reset();
  instances_.clear();  // an expression that was the simplest may have been dropped
  return true;
}

void SymbolicCall::compile(const Options& options) {
  CompiledParametricPlan compiled = braze::compile(plan_, options);
  compiled_.plan = compiled.plan.plan;
  compiled_.kernels = std::move(compiled.kernels);
  compiled_.record = std::move(compiled.record);
  has_code_ = true;
}

SymbolicCall::Values SymbolicCall::values_of(at::TensorImpl* const* inputs) const {
  Values values;
  values.reserve(symbols_.size());
  for (const Symbol& symbol : symbols_) values.push_back(inputs[symbol.tensor]->size(symbol.dim));
  return values;
}

std::shared_ptr<CompiledCall> SymbolicCall::find(const Values& symbols) {
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (instances_[i].symbols != symbols) continue;
    auto at = instances_.begin() + static_cast<ptrdiff_t>(i);
    if (i > 0) std::rotate(instances_.begin(), at, at + 1);
    return instances_.front().call;
  }
  return nullptr;
}

std::shared_ptr<CompiledCall> SymbolicCall::make(const Values& symbols) {
  if (!recorded_.are_integers(symbols)) return nullptr;
  auto integers = evaluate_all(integers_, symbols);
  auto planned = instantiate(plan_, symbols);
  if (!integers || !planned) return nullptr;
  auto boundary = with_integers(boundary_, *integers);
  if (!boundary) return nullptr;
  CompiledPlan plan{std::move(planned->plan), compiled_.kernels, {}};
  plan.plan.kernels = compiled_.plan.kernels;
  ++instances_made_;
  return std::make_shared<CompiledCall>(std::move(plan), std::move(*boundary), std::move(planned->step_sizes));
}

std::shared_ptr<CompiledCall> SymbolicCall::instance(const Values& symbols) {
  if (auto found = find(symbols)) return found;
  if (!has_code_ || refused_.count(symbols)) return nullptr;
  Answer answer = admit_ ? admit_(symbols) : Answer::Yes;
  if (answer == Answer::NotNow) return nullptr;
  std::shared_ptr<CompiledCall> made;
  try {
    if (answer == Answer::Yes) made = make(symbols);
  } catch (const Error&) {  // a bug of ours must not cost the user the call
  }
  if (!made) {
    if (refused_.size() >= kMostRefused) refused_.clear();
    refused_.insert(symbols);
    return nullptr;
  }
  if (instances_.size() >= kMostInstances) instances_.pop_back();
  instances_.insert(instances_.begin(), {symbols, made});
  return made;
}

bool SymbolicCall::run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) {
  auto held = instance(values_of(inputs));  // other threads may drop it from the list meanwhile
  return held && held->run(inputs, count, outputs);
}

std::vector<double> SymbolicCall::time_steps(at::TensorImpl* const* inputs, size_t count, int repeats) {
  auto held = instance(values_of(inputs));
  return held ? held->time_steps(inputs, count, repeats) : std::vector<double>();
}

}  // namespace braze
