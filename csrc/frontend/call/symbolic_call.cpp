#include "frontend/call/symbolic_call.h"

#include <algorithm>

#include "support/error.h"

namespace braze {
namespace {

constexpr size_t kFewInstances = 8, kMostInstances = 64;
constexpr int64_t kMostArenaBytes = 16 << 20;  // of more than a few instances
constexpr size_t kMostRefused = 256;

}  // namespace

std::shared_ptr<SymbolicCall> SymbolicCall::unify(const PlannedProgram& a, const PlannedProgram& b,
                                                  const std::vector<Symbol>& symbols) {
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

std::shared_ptr<const SymbolicCall::Instance> SymbolicCall::at(std::span<const int64_t> sizes) {
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (!std::ranges::equal(instances_[i]->symbols, sizes)) continue;
    auto at = instances_.begin() + static_cast<ptrdiff_t>(i);
    if (i > 0) std::rotate(instances_.begin(), at, at + 1);
    return instances_.front();
  }
  Values symbols(sizes.begin(), sizes.end());
  if (!has_code_ || refused_.count(symbols)) return nullptr;
  Answer answer = admit_ ? admit_(symbols) : Answer{Answer::Yes, {}};
  if (answer.verdict == Answer::NotNow) return nullptr;
  std::shared_ptr<CompiledCall> call;
  try {
    if (answer.verdict == Answer::Yes) call = make(symbols);
  } catch (const Error&) {  // a bug of ours must not cost the user the call
  }
  if (!call) {
    if (refused_.size() >= kMostRefused) refused_.clear();
    refused_.insert(std::move(symbols));
    return nullptr;
  }
  const auto most = static_cast<size_t>(kMostArenaBytes / std::max<int64_t>(call->compiled().plan.arena_bytes, 1));
  while (instances_.size() >= std::clamp(most, kFewInstances, kMostInstances)) instances_.pop_back();
  auto made =
      std::make_shared<const Instance>(Instance{std::move(symbols), std::move(answer.numbers), std::move(call)});
  instances_.insert(instances_.begin(), made);
  return made;  // other threads may drop it from the list meanwhile
}

}  // namespace braze
